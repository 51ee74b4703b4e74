"""What is known of the last drill: beside the repository's state on a host, and in etcd where any
member may lead when the next one is due."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from pgstack.errors import ProbeError
from pgstack.live.probes.etcd import Etcd
from pgstack.planning import layout
from pgstack.planning.cluster import Cluster

from . import authority, safe
from .safe import StackctlError
from .stack import Stack

ANSWER_SECONDS = 5


def read(stack: Stack) -> dict[str, Any] | None:
    """What the last drill found, None before the first."""
    with suppress(OSError, ValueError, safe.UnsafePath, ProbeError):
        state: dict[str, Any] | None = json.loads(_text(stack))
        return state
    return None


def write(stack: Stack, state: dict[str, Any]) -> None:
    """Keep it for whoever asks. Raises StackctlError."""
    text = json.dumps(state, indent=2) + "\n"
    if stack.cluster is None:
        account = stack.accounts.postgres
        return safe.write(_file(stack), text.encode(), 0o600, account, account)
    try:
        _etcd(stack.cluster).put(_key(stack.cluster), text)
    except ProbeError as error:
        raise StackctlError(f"{error}: what was found is not kept") from None


def _text(stack: Stack) -> str:
    if stack.cluster is None:
        return safe.read(_file(stack)).decode()
    value = _etcd(stack.cluster).value(_key(stack.cluster))
    return value.text if value else "null"


def _file(stack: Stack) -> Path:
    return Path(stack.backup.state if stack.backup else "", "drill.json")


def _key(part: Cluster) -> str:
    return f"/stack/{part.scope}/drill"


def _etcd(part: Cluster) -> Etcd:
    """With the certificate that PostgreSQL's account has, as a drill runs."""
    files = (str(authority.DIRECTORY / f"server.{end}") for end in ("pem", "key"))
    return Etcd(part.address, part.client_port, ANSWER_SECONDS, layout.AUTHORITY, *files)
