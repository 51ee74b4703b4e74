"""Passwords of the roles, where web hosts are apart: made on the database host, or the first web
host where PostgreSQL is external, and kept there for root alone.

PostgreSQL gets verifiers (pgstack.rendering.scram): no password is in a statement, a log or a
process's words.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from pgstack.rendering.scram import PASSWORD_BYTES, SALT_BYTES, matches, verifier

from . import authority, safe, system
from .safe import StackctlError
from .stack import Stack

CLUSTER_KEY = "patroni_rest"
"""password of those who ask Patroni for changes"""
SITE_KEY = "django_secret_key"
"""all web hosts sign with the same one"""


def ensure(stack: Stack) -> None:
    """Make those that there are not."""
    directory = _directory()
    directory.mkdir(mode=0o700, exist_ok=True)
    for name in names(stack):
        if not (directory / name).is_file():
            _write(directory / name)


def names(stack: Stack) -> list[str]:
    """Of all files in which there is one."""
    return [*_roles(stack), SITE_KEY, *_of_cluster(stack)]


def require(stack: Stack) -> None:
    """Raise StackctlError unless all are there: one that a member of a cluster made by itself would
    be no other member's."""
    missing = [name for name in names(stack) if not (_directory() / name).is_file()]
    if missing:
        raise StackctlError(
            f"{_directory()}: {', '.join(missing)} missing; nothing was changed. Run the playbook "
            "site.yml, which brings what all members share."
        )


def share(stack: Stack) -> str:
    """Make what all members of a cluster have in common, unless it is there: an authority and
    passwords."""
    before = {path.name for path in (authority.DIRECTORY, _directory()) for path in path.glob("*")}
    authority.ensure()
    ensure(stack)
    return "unchanged" if {authority.AUTHORITY.name, *names(stack)} <= before else "made"


def kept(name: str) -> str:
    """One of them, once it is there."""
    return (_directory() / name).read_text().strip()


def known(stack: Stack) -> dict[str, str]:
    """Role → password, once there are some."""
    return {role: kept(role) for role in _roles(stack)}


def renew(stack: Stack) -> str:
    """Make new ones, and ask for a new certificate; `apply` sets them when the web hosts have
    them. A witness has none."""
    if stack.cluster and stack.cluster.member == stack.cluster.witness:
        authority.renew()
        return "a new certificate waits for `stackctl apply etcd`"
    ensure(stack)
    for name in (*_roles(stack), *_of_cluster(stack)):
        _write(_directory() / name)
    new = "a new authority, " if authority.renew() else ""
    return (
        f"{new}new passwords of {', '.join(_roles(stack))} and a new certificate wait for "
        f"`stackctl apply postgres`"
    )


def apply(stack: Stack, psql: list[str]) -> bool:
    """Set the passwords in PostgreSQL; whether any of them was new to it. `psql` runs as the
    administrator."""
    ensure(stack)
    account = stack.accounts.postgres
    statements = []
    for role, password in known(stack).items():
        query = f"SELECT rolpassword FROM pg_authid WHERE rolname = '{role}'"  # noqa: S608 - a name of the plan
        if not matches(password, system.require(*psql, text=query, account=account).strip()):
            statements.append(
                f"ALTER ROLE {role} PASSWORD '{verifier(password, os.urandom(SALT_BYTES))}';"
            )
    if statements:
        system.require(*psql, text="\n".join(statements), account=account)
    return bool(statements)


def _of_cluster(stack: Stack) -> list[str]:
    return [CLUSTER_KEY] if stack.cluster else []


def _roles(stack: Stack) -> list[str]:
    cluster = stack.cluster
    own = [cluster.replication_role, cluster.rewind_role] if cluster else []
    return [*(login.role for login in stack.postgres.passwords), *own]


def _directory() -> Path:
    return authority.DIRECTORY / "passwords"


def _write(path: Path) -> None:
    """A new one."""
    safe.write(path, f"{secrets.token_urlsafe(PASSWORD_BYTES)}\n".encode(), 0o600)
