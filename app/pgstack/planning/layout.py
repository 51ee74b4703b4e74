"""Where things lie and who owns them, by target."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path

from pgstack.errors import InputError
from pgstack.planning import extensions, lanes, names, slots, targets
from pgstack.planning.account_names import account_name
from pgstack.planning.apache import Project
from pgstack.planning.background import VARIABLE
from pgstack.planning.config import StackConfig
from pgstack.planning.databases import Identity, Roles
from pgstack.planning.packages import RELEASES
from pgstack.planning.places import Accounts, Packages, Paths, Versions
from pgstack.planning.plan import Plan

_ABOVE = Path(__file__).resolve().parents[3]
_PACKED = Path(__file__).resolve().parents[1] / "templates"
INSTALLED = _PACKED.is_dir()
"""Whether this is the package that pip installed: that has the templates in itself."""

CHECKOUT = Path.cwd() if INSTALLED else _ABOVE
"""The checkout, or the directory that holds `app/` in an image; where it is installed, the current
directory."""

REQUIREMENTS = CHECKOUT / "requirements/run.txt"
"""What the stack needs in the environment that runs a project."""

TEMPLATES = _PACKED if INSTALLED else _ABOVE
"""The directory of the templates."""

OVERLAY = "pgstack.overlay.settings"
"""Settings module of every project but the demo."""

DEMO = ("config.settings", "config.wsgi")
"""The demo's settings module, and the module of its WSGI application."""

DEMO_COMMANDS = (("seed",),)
"""The demo's management commands after migrate."""

SECRET_KEY = "django_secret_key"  # noqa: S105 - a file's name

DATABASE = "/etc/stack-database"
"""Where hosts are apart: on the database host its certificate, the authority that signed it and all
passwords; on a web host the authority's certificate, and the passwords in files of the accounts
that use them."""
AUTHORITY = f"{DATABASE}/authority.pem"

LOG_BYTES = 10_000_000
LOGS_KEPT = 3
"""Size at which a log of the local target is renamed, and how many that were renamed are kept."""

VERSIONS = {
    debian: Versions(**{name: value for name, value in asdict(release).items() if name != "suite"})
    for debian, release in RELEASES.items()
}
"""What each Debian release brings."""


def versions(config: StackConfig, debian: int) -> Versions:
    """What this release brings, with the PostgreSQL that the inputs name. Raises InputError for one
    that it cannot have."""
    own, wanted = VERSIONS[debian], config.postgresql
    if wanted is None or wanted == own.postgresql:
        return own
    if wanted > own.postgresql:
        raise InputError(
            f"STACK_POSTGRESQL={wanted}: Debian {debian} has PostgreSQL {own.postgresql} and no "
            "later one. Upgrade Debian first (docs/upgrades.md), or leave it out."
        )
    return own.model_copy(update={"postgresql": wanted})


def version(text: str) -> tuple[int, ...]:
    """`(1, 24)` of `1.24`, for comparisons."""
    return tuple(int(part) for part in text.split("."))


def stack_directory(config: StackConfig) -> Path:
    """Absolute directory of the local target; a relative one counts from the checkout."""
    return (CHECKOUT / config.dir).resolve()


def _location(config: StackConfig) -> targets.Location:
    """What the inputs say of where the stack lies."""
    return targets.Location(
        checkout=CHECKOUT,
        directory=stack_directory(config),
        project=project_directory(config) if config.project else None,
        account=config.account,
        names=names.of(config.name),
    )


def paths(config: StackConfig, versions: Versions) -> Paths:
    """Absolute paths on the target that `config` names."""
    return targets.of(config.target).paths(_location(config), versions.postgresql)


def accounts(config: StackConfig) -> Accounts:
    """Accounts on the target that `config` names."""
    return targets.of(config.target).accounts(_location(config))


def backed_up(plan: Plan) -> str:
    """File of the local target with the moment that its last backup is of, in seconds since
    1970."""
    return f"{plan.paths.run}/backed-up"


def written_by_pages(place: Paths) -> tuple[str, ...]:
    """Directories of the local target that Apache and the web processes write to, as they do on the
    others."""
    return place.run_apache, place.log, place.media, place.cache, place.measures


def project_directory(config: StackConfig) -> Path:
    """Absolute directory of the project on this machine; a relative one counts from the
    checkout."""
    return (CHECKOUT / config.project).resolve() if config.project else CHECKOUT / "app"


def project(config: StackConfig) -> Project | None:
    """What the inputs say of the project (see pgstack.planning.discovery); None for the demo."""
    if config.project is None:
        return None
    environment = str((CHECKOUT / config.environment).resolve()) if config.environment else ""
    return Project(
        settings=config.settings or DEMO[0],
        wsgi=config.wsgi or "",
        requirements=config.requirements or "",
        environment=environment,
        commands=config.commands,
        build=config.build,
        data=config.data,
    )


def packages(config: StackConfig, debian: int) -> Packages:
    """What the inputs ask Debian for. Raises InputError where this release does not have it."""
    major, wanted = versions(config, debian).postgresql, config.extensions
    try:
        of_server = extensions.server_packages(wanted, debian, major)
    except ValueError as error:
        text = ",".join(wanted)
        raise InputError(f"STACK_EXTENSIONS={text}: {error}.") from None
    if config.database_url:
        of_server = ()
    own = (*config.packages, *extensions.libraries(wanted, debian))
    return Packages(web=tuple(dict.fromkeys(own)), postgres=of_server)


def commands(plan: Plan) -> tuple[tuple[str, ...], ...]:
    """The management commands that a deploy runs after migrate."""
    return plan.project.commands if plan.project else DEMO_COMMANDS


def entry(config: StackConfig, place: Paths) -> tuple[str, str, tuple[str, ...]]:
    """Settings module, WSGI file, and the directories of modules."""
    path = tuple(dict.fromkeys((place.app, place.code)))
    if config.project is None:
        return DEMO[0], f"{place.app}/{DEMO[1].replace('.', '/')}.py", path
    return OVERLAY, f"{place.code}/pgstack/serving/serve.py", path


def peer_maps(versions: Versions) -> bool:
    """Whether PgBouncer can map an account to another login (auth_ident_file, 1.23)."""
    return version(versions.pgbouncer) >= (1, 23)


def postgres_identities(
    who: Accounts, roles: Roles, *, workers: bool = False, metrics: bool = False
) -> tuple[Identity, ...]:
    """Who may log in at PostgreSQL as whom. The web's account reaches rows only through the
    pooler; workers may listen, as a role with a limit; the exporter looks."""
    pairs = [
        (who.postgres, roles.admin),
        (who.deploy, roles.owner),
        (who.deploy, roles.monitor),
        (who.pooler, roles.app),
        *([(who.worker, roles.worker)] if workers else []),
        *([(who.metrics, roles.monitor)] if metrics else []),
    ]
    return _identities(pairs)


def apart_identities(who: Accounts, roles: Roles, *, metrics: bool = False) -> tuple[Identity, ...]:
    """Who may log in at the socket of a PostgreSQL whose clients are on other hosts; the exporter
    of its own host looks."""
    pairs = [(who.postgres, roles.admin), *([(who.metrics, roles.monitor)] if metrics else [])]
    return _identities(pairs)


def passwords(who: Accounts, roles: Roles) -> tuple[Identity, ...]:
    """Which account beside a PgBouncer has the password of which role. Workers have none: what
    they would need is that of pages."""
    pairs = [
        (who.pooler, roles.app),
        (who.deploy, roles.owner),
        (who.deploy, roles.monitor),
    ]
    return _identities(pairs)


def pooler_logins(who: Accounts, roles: Roles, versions: Versions) -> tuple[str, str]:
    """Login of the web and login of the probes at PgBouncer: the roles where it knows peer maps,
    else the accounts."""
    return (roles.app, roles.monitor) if peer_maps(versions) else (who.web, who.deploy)


def own_database(plan: Plan) -> str:
    """The database at PgBouncer that this process works with: that of the workers in one of
    them, that of a lane in one of its web processes."""
    if plan.background and VARIABLE in os.environ:
        return plan.background.database
    lane = lanes.own(plan.lanes)
    return lane.database if lane else plan.postgres.database


def own_port(plan: Plan) -> int:
    """Port of the PgBouncer that this process works with: web processes are spread over all of
    them, whatever else there is uses the first."""
    processes = plan.pooler.processes
    if len(processes) == 1 or lanes.own_group() != lanes.MAIN:
        return plan.pooler.port
    places = f"{plan.paths.cache}/{plan.accounts.web}/web-processes"
    return processes[slots.own(places, len(processes))].port


def own_login(plan: Plan, login: str) -> str:
    """`login` at PgBouncer, or the name of this process's account where PgBouncer knows no peer
    maps.

    Root becomes the account that deploys before it asks.
    """
    if plan.pooler.peer_maps:
        return login
    return account_name(os.geteuid()) if os.geteuid() else plan.accounts.deploy


def pooler_identities(who: Accounts, roles: Roles, versions: Versions) -> tuple[Identity, ...]:
    """Who may log in at PgBouncer as whom."""
    web, monitor = pooler_logins(who, roles, versions)
    pairs = [(account, login) for account in (who.web, who.deploy) for login in (web, monitor)]
    pairs.append((who.pooler, monitor))  # its health check
    if not peer_maps(versions):
        pairs = [(account, account) for account in (who.web, who.deploy)]
    return _identities(pairs)


def console_identities(who: Accounts, roles: Roles, versions: Versions) -> tuple[Identity, ...]:
    """Who may look at PgBouncer's console as whom, and reach no database: the exporter."""
    monitor = roles.monitor if peer_maps(versions) else who.metrics
    return _identities([(who.metrics, monitor)])


def task_identities(who: Accounts, roles: Roles, versions: Versions) -> tuple[Identity, ...]:
    """Who may log in at PgBouncer's database of the workers as whom: no page."""
    web, monitor = pooler_logins(who, roles, versions)
    pairs = [(who.worker, web), (who.deploy, web), (who.deploy, monitor)]
    if not peer_maps(versions):
        pairs = [(account, account) for account in (who.worker, who.deploy)]
    return _identities(pairs)


def _identities(pairs: list[tuple[str, str]]) -> tuple[Identity, ...]:
    return tuple(Identity(account=account, role=role) for account, role in dict.fromkeys(pairs))
