"""What a load test reads from the environment: PAGE, USERS, SECONDS; HOST, MAX_RATE,
I_OWN_THIS_HOST."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from loadtest.lab.model import Load
from pgstack.errors import InputError, TargetError
from pgstack.planning.plan import Plan

PAGE, USERS, SECONDS = "/db", 16, 10
OF_PROJECT = ("PAGES", "LOG", "DUMP", "LOGIN", "SESSION", "WRITES")
"""what is said of a project's own pages"""
LOOPBACK = (
    "127.0.0.1",
    "localhost",
)  # in this order: `localhost` may mean ::1, where Apache need not listen


@dataclass(frozen=True)
class Target:
    """What is loaded. A host that the user named has a rate, in requests per second, that is never
    exceeded."""

    url: str
    max_rate: int | None = None

    @property
    def named(self) -> bool:
        """Whether the user named the host; otherwise it is the stack on this one."""
        return self.max_rate is not None


def load(environment: Mapping[str, str]) -> Load:
    """The closed loop that `environment` asks for. Raises InputError naming the variable and its
    bounds."""
    page = environment.get("PAGE") or PAGE
    if not re.fullmatch(r"/[!-~]*", page):
        raise InputError(
            f"PAGE={page!r}: not a path. Give one that starts with a slash, such as PAGE=/fortunes."
        )
    return Load(
        kind="closed",
        page=page,
        users=number(environment, "USERS", USERS, 1, 1000),
        seconds=number(environment, "SECONDS", SECONDS, 1, 600),
    )


def addresses(name: str) -> tuple[str, ...]:
    """All addresses of the host `name`. Raises TargetError when it has none."""
    try:
        return tuple(sorted({str(address[4][0]) for address in socket.getaddrinfo(name, None)}))
    except OSError as error:
        raise TargetError(
            f"HOST: {name}: {error.strerror or error}. Give a name that this host can resolve."
        ) from None


def named_target(
    environment: Mapping[str, str], resolve: Callable[[str], tuple[str, ...]] = addresses
) -> Target | None:
    """The host that the user named with HOST, None without.

    Its addresses must all be private or loopback ones, or the user says that it is theirs; and it
    needs MAX_RATE. Raises InputError otherwise.
    """
    url = environment.get("HOST")
    if not url:
        return None
    if not re.fullmatch(r"https?://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?/?", url):
        raise InputError(
            f"HOST={url!r}: not an address. Give scheme, host and port only, such as "
            f"HOST=https://my.host."
        )
    public = [
        address for address in resolve(str(urlsplit(url).hostname)) if not is_private(address)
    ]
    if public and environment.get("I_OWN_THIS_HOST") != "yes":
        raise InputError(
            f"HOST={url}: {public[0]} is a public address. Load goes to hosts of your own only:"
            " say I_OWN_THIS_HOST=yes when it is one."
        )
    if not environment.get("MAX_RATE"):
        raise InputError(
            f"HOST={url}: no maximum rate. Say how many requests/s it may get, such as "
            f"MAX_RATE=100."
        )
    return Target(url.rstrip("/"), number(environment, "MAX_RATE", None, 1, 100_000))


def is_private(address: str) -> bool:
    """Whether the IP `address` is this host's or of a network that is not routed on the internet
    (IANA)."""
    return ipaddress.ip_address(address.partition("%")[0]).is_private


def base_url(plan: Plan) -> str:
    """Scheme, loopback host and port of the planned site.

    Raises TargetError when the site answers to no name of this host.
    """
    name = next((name for name in LOOPBACK if name in plan.site.hosts), None)
    if name is None:
        raise TargetError(
            f"site names {', '.join(plan.site.hosts)}: load goes to this host only. Add 127.0.0.1 "
            f"to STACK_HOSTS."
        )
    return f"{'http' if plan.site.tls == 'off' else 'https'}://{name}:{plan.site.port}"


def is_loopback(url: str) -> bool:
    """Whether `url` names this host and nothing else."""
    return (
        re.fullmatch(rf"https?://({'|'.join(map(re.escape, LOOPBACK))})(:\d+)?(/.*)?", url)
        is not None
    )


def refuse(environment: Mapping[str, str], names: Iterable[str], reason: str) -> None:
    """Raise InputError for the first of `names` that is set."""
    for name in names:
        if environment.get(name):
            raise InputError(f"{name}={environment[name]}: {reason}. Leave {name} out.")


def refuse_other(name: str, value: str, had: str | None) -> None:
    """Raise InputError where a run that goes on had another `value`."""
    if value != had:
        shown = f"{name}={had}" if had else f"no {name}"
        raise InputError(
            f"{name}={value}: the run that RESUME=1 goes on with has {shown}. Leave {name} out, or "
            "RESUME for a new run."
        )


def refuse_alone(environment: Mapping[str, str], names: Iterable[str], reason: str) -> None:
    """Raise InputError for the first of `names` that is set where neither PAGES nor LOG is."""
    for name in names:
        if environment.get(name):
            raise InputError(
                f"{name}: {reason}. Name pages with PAGES=pages.txt or LOG=access.log "
                "(docs/what-would-i-gain.md)."
            )


def flag(environment: Mapping[str, str], name: str) -> bool:
    """Whether `name` says yes. Raises InputError when it says neither yes nor no."""
    value = environment.get(name, "").strip().lower()
    if not re.fullmatch("(1|yes|true|0|no|false)?", value):
        raise InputError(f"{name}={environment[name]}: neither 1 nor 0. Leave it out for 0.")
    return value in ("1", "yes", "true")


def number(
    environment: Mapping[str, str], name: str, default: int | None, low: int, high: int
) -> int:
    """The whole number in `name`, `default` where it is unset. Raises InputError naming the
    bounds."""
    text = environment.get(name) or str(default)
    if not re.fullmatch(r"[0-9]{1,9}", text) or not low <= int(text) <= high:
        remedy = "" if default is None else f" The default is {name}={default}."
        raise InputError(f"{name}={text}: not a whole number from {low} to {high}.{remedy}")
    return int(text)
