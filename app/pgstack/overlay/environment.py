"""What a project that reads its settings from the environment finds there, before it is
imported."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from urllib.parse import quote

from pgstack import environment_file
from pgstack import settings as stack
from pgstack.errors import InputError
from pgstack.planning import layout, targets
from pgstack.planning.account_names import account_name
from pgstack.planning.background import SYSTEM_PATH
from pgstack.planning.input_names import BUILDING
from pgstack.planning.plan import Plan
from pgstack.planning.valkey import BROKER

KEYS = ("SECRET_KEY", "DJANGO_SECRET_KEY")
"""names under which projects look for their key"""
CREDENTIALS = "CREDENTIALS_DIRECTORY"
"""variable with the directory of a unit's secrets (systemd.exec(5)); stack-manage makes one too"""
IN_FILES = "project_"
"""before the name of a secret that the project reads from a file"""


def prepare(plan: Plan) -> None:
    """The variables of STACK_ENVIRONMENT, those of `process`, the addresses of the database and of
    Valkey, and a key.

    Who sets one himself keeps it.

    What is secret on a host comes in files, so that no program finds it in the environment that a
    process began with.

    DATABASE_URL is always the stack's: what a project makes of it besides DATABASES must reach the
    same database. Raises InputError for a file that cannot be read.
    """
    given = _file(plan)
    if _runs(plan, account()) or BUILDING in os.environ:
        _make_data(plan)
    # mod_wsgi says another home than its environment did, so these are set here, alike for pages
    # and commands.
    for name, value in process(plan, account()).items():
        os.environ[name] = given.get(name, value)
    for name, value in given.items():
        os.environ.setdefault(name, value)
    for name, value in broker(plan).items():
        os.environ.setdefault(name, value)
    os.environ["DATABASE_URL"] = database_url(plan)
    for name in KEYS:
        os.environ.setdefault(name, stack.secret_key())


def process(plan: Plan, name: str) -> dict[str, str]:
    """What each process of the project has: where programs and data are, and a home that it may
    write to.

    Each account has a home of its own: commands read their own start files there, which the web
    must not write. None for an account that only builds.
    """
    names = plan.project.data if plan.project else ()
    variables = {
        "PATH": f"{sys.prefix}/bin:{SYSTEM_PATH}",
        **{each: f"{_data(plan)}/{each}" for each in names},
    }
    if not _runs(plan, name):
        return variables
    home = f"{plan.paths.cache}/{name}"
    return {**variables, "HOME": home, "XDG_CACHE_HOME": f"{home}/.cache"}


def _runs(plan: Plan, name: str) -> bool:
    return name in (plan.accounts.web, plan.accounts.worker, plan.accounts.deploy)


def _data(plan: Plan) -> Path:
    return Path(plan.paths.media, "data")


def _make_data(plan: Plan) -> None:
    """Directories of STACK_DATA, which web and deploys both write to: beside uploads, whose group
    they inherit."""
    before = os.umask(
        0o007
    )  # a host's sandbox forbids setting the bit by which a group is inherited
    try:
        for name in plan.project.data if plan.project else ():
            (_data(plan) / name).mkdir(parents=True, exist_ok=True)
    finally:
        os.umask(before)


def broker(plan: Plan) -> dict[str, str]:
    """Addresses of Valkey's queues: as redis-py reads it, and as Celery does, which takes it from
    this variable before it looks into the settings."""
    if plan.valkey is None:
        return {}
    address = plan.valkey.url(BROKER)
    return {
        "VALKEY_URL": address,
        "REDIS_URL": address,
        "CELERY_BROKER_URL": plan.valkey.celery_url(BROKER),
    }


def database_url(plan: Plan) -> str:
    """Address of the alias `default`, as dj-database-url, django-environ and libpq read it."""
    user = layout.own_login(plan, plan.pooler.web_login)
    host = quote(stack.database_host(plan.paths.run_pooler), safe="")
    return f"postgres://{user}@{host}:{layout.own_port(plan)}/{layout.own_database(plan)}"


def _file(plan: Plan) -> dict[str, str]:
    target = targets.of(plan.target)
    path = target.environment_file(plan)
    is_given = target.units and CREDENTIALS in os.environ
    secret = _credentials(Path(os.environ[CREDENTIALS])) if is_given else {}
    if path is None:
        return secret
    try:
        return environment_file.parse(path.read_text(encoding="utf-8")) | secret
    except environment_file.LineError as error:
        raise InputError(f"STACK_ENVIRONMENT={path}: {error}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"STACK_ENVIRONMENT={path}: {error}. Make it readable for {account()}."
        ) from None


def _credentials(directory: Path) -> dict[str, str]:
    """Secret variables, and for each secret in a file its path under NAME_FILE.

    Raises InputError.
    """
    files = {
        f"{path.name.removeprefix(IN_FILES)}_FILE": str(path)
        for path in directory.glob(f"{IN_FILES}*")
    }
    try:
        return (
            environment_file.parse((directory / "environment").read_text(encoding="utf-8")) | files
        )
    except OSError as error:
        reason = f"{error.filename}: {error.strerror}: systemd did not give the project's secrets"
        raise InputError(
            f"{reason}. In a container its mounts must be shared: `mount --make-rshared /`."
        ) from None


def account() -> str:
    """Name of the account that this process runs as."""
    return account_name(os.geteuid())
