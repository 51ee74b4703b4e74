"""The embedded target: one account runs everything, under one directory."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import ClassVar

from pgstack.errors import InputError
from pgstack.planning.account_names import account_name
from pgstack.planning.places import Accounts, Paths
from pgstack.planning.targets.target import Location, Target

ROOT_ACCOUNT = "pgstack"
"""The account that this target drops to when root starts it in a checkout of root's own."""


class Local(Target):
    """Private instances of Debian's servers on sockets, under supervisord."""

    name = "local"
    apaches = 2
    """that of another checkout is the second"""
    several_poolers: ClassVar[bool] = True
    sees_processes: ClassVar[bool] = True
    confines: ClassVar[bool] = True
    own_directory: ClassVar[bool] = True
    makes_environment: ClassVar[bool] = True
    try_strangers = "As root: `make verify`."

    def paths(self, location: Location, _: int, /) -> Paths:
        """Paths, all below one directory."""
        root = location.directory
        return Paths(
            root=str(root),
            run=f"{root}/run",
            conf=f"{root}/conf",
            home_postgres=str(root),
            data=f"{root}/data",
            run_postgres=f"{root}/run/postgres",
            run_pooler=f"{root}/run/pooler",
            run_pooler_own=f"{root}/run/pooler",
            run_apache=f"{root}/run/apache",
            run_workers=f"{root}/run",
            run_valkey=f"{root}/run/valkey",
            valkey=f"{root}/valkey",
            run_metrics=f"{root}/run/metrics",
            measures=f"{root}/run/measures",
            bodies=f"{root}/run/apache",
            streams=f"{root}/run/apache",
            log=f"{root}/log",
            access_log=f"{root}/log/apache-access.log",
            error_log=f"{root}/log/apache-error.log",
            drain={"": f"{root}/run/apache/drain"},
            static=f"{root}/static",
            media=f"{root}/media",
            cache=f"{root}/cache",
            schedule=f"{root}/schedule",
            secrets=f"{root}/secrets",
            tls=f"{root}/secrets/tls",
            database=f"{root}/database",
            backup=f"{root}/backup",
            code=f"{location.checkout}/app",
            app=str(location.project or location.checkout / "app"),
            venv=f"{root}/venv" if location.project else sys.prefix,
        )

    def accounts(self, location: Location, /) -> Accounts:
        """Accounts: one runs everything."""
        name = location.account or _account(location.checkout)
        return Accounts(**dict.fromkeys(Accounts.model_fields, name) | {"site": ""})


def _account(checkout: Path) -> str:
    """Whoever starts the stack; for root the checkout's owner, and ROOT_ACCOUNT where that is root
    or has no name."""
    if os.geteuid():
        return account_name(os.geteuid())
    owner = checkout.stat().st_uid
    try:
        return account_name(owner) if owner else ROOT_ACCOUNT
    except InputError:
        return ROOT_ACCOUNT
