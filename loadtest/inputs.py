"""What a load test is told by the environment: PAGE, USERS, SECONDS."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pgstack.errors import InputError, TargetError
from pgstack.plan import Plan

WARM_SECONDS = 2
LOOPBACK = ("127.0.0.1", "localhost")  # in this order: `localhost` may mean ::1, where Apache need not listen


@dataclass(frozen=True)
class Load:
    """A closed loop: `users` connections that ask for `page` without a pause, for `seconds` after the warm-up."""

    page: str = "/db"
    users: int = 16
    seconds: int = 10


def load(environment: Mapping[str, str]) -> Load:
    """The load that `environment` asks for. Raises InputError naming the variable and its bounds."""
    page = environment.get("PAGE") or Load.page
    if not re.fullmatch(r"/[!-~]*", page):
        raise InputError(f"PAGE={page!r}: not a path. Give one that starts with a slash, such as PAGE=/fortunes.")
    return Load(
        page,
        _number(environment, "USERS", Load.users, 1, 1000),
        _number(environment, "SECONDS", Load.seconds, 1, 600),
    )


def base_url(plan: Plan) -> str:
    """Scheme, loopback host and port of the planned site.

    Raises TargetError when the site answers to no name of this host.
    """
    name = next((name for name in LOOPBACK if name in plan.site.hosts), None)
    if name is None:
        raise TargetError(
            f"site names {', '.join(plan.site.hosts)}: load goes to this host only. Add 127.0.0.1 to STACK_HOSTS."
        )
    return f"{'http' if plan.site.tls == 'off' else 'https'}://{name}:{plan.site.port}"


def is_loopback(url: str) -> bool:
    """Whether `url` names this host and nothing else."""
    return re.fullmatch(rf"https?://({'|'.join(map(re.escape, LOOPBACK))})(:\d+)?(/.*)?", url) is not None


def _number(environment: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    text = environment.get(name) or str(default)
    if not re.fullmatch(r"[0-9]{1,9}", text) or not low <= int(text) <= high:
        raise InputError(f"{name}={text}: not a whole number from {low} to {high}. The default is {name}={default}.")
    return int(text)
