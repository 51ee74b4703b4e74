"""`make reload` on Compose: changed inputs come into force, and no request is lost.

The files are written and tried. PostgreSQL reads them, or restarts while requests wait; another
PgBouncer and another web take over. What does not come into force is taken back.
"""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import background_containers
import containers
import debian
import observability_restart
import pooler_takeover
import postgres_restart
import valkey_restart
import web_takeover
from containers import Container
from debian import ToolError, say
from pgstack.planning import packages

if TYPE_CHECKING:
    from pgstack.planning.plan import Plan

PUBLISHED = ("port", "forward")
"""services that hold the published port: another container of theirs closes it"""
POSTGRES, PGBOUNCER, VALKEY = "postgres", "pgbouncer", "valkey"
"""services, and folders of what they read"""
FULL = "full"


def reload() -> None:
    """Bring what the inputs give now into force. Raises ToolError, with what was in force before in
    force again."""
    web, pooler = web_takeover.serving(), pooler_takeover.serving()
    _require_same_port()
    before, database, observed = _conf(), _database(), _observed()
    _render()
    changed = _changed(before, _conf())
    if containers.is_older(web, f"{containers.CONF}/plan.json"):
        say("again     what a reload that was cut off had begun")
        changed |= {POSTGRES, PGBOUNCER, VALKEY}
    if observability_restart.is_older():
        changed.add(observability_restart.SERVICE)
    if not _has_variables(web):
        changed.add("environment")
    if not changed:
        say("unchanged the running stack matches the inputs")
        return
    try:
        _require_same(database)
        _require_same_exporter(observed)
        if observability_restart.SERVICE in changed:
            observability_restart.require_sound()
        if changed - {observability_restart.SERVICE}:
            _bring_into_force(web, pooler, changed)
    except BaseException as error:
        _take_back(before, web, pooler, changed)
        if isinstance(error, ToolError):
            reason = str(error).strip().rstrip(".")
            raise ToolError(f"{reason}.\nThe previous configuration is in force again.") from None
        raise
    # Nobody waits for it, and it has been tried: nothing of the site is taken back for it.
    observability_restart.apply()
    say("reloaded")


def _require_same_port() -> None:
    """Raise ToolError where the port or who holds it would be another."""
    wanted = containers.hashes()
    for service in PUBLISHED:
        old = containers.running(service)
        if old and old[0].config_hash != wanted[service]:
            raise ToolError(
                "what is asked for changes the published port or who may reach it. That takes "
                "another container of it, and requests fail meanwhile: `make down up`. Nothing was "
                "changed."
            )


def _database() -> tuple[str, int, str]:
    """Where the plan in force has it."""
    place = containers.plan().postgres
    return place.host, place.port, place.database


def _require_same(database: tuple[str, int, str]) -> None:
    """Raise ToolError where pages would have to be led to another database."""
    if _database() != database:
        raise ToolError(
            "STACK_DATABASE_URL: pages work with another database, whose rows stay there. `make "
            "up` restarts the stack with this one"
        )


def _observed() -> str:
    """What the plan in force has of STACK_OBSERVABILITY."""
    plan = containers.plan()
    return FULL if plan.observability else "basic" if plan.metrics else "off"


def _require_same_exporter(observed: str) -> None:
    """Raise ToolError where it, or Prometheus, would have to be started or ended."""
    if (wanted := _observed()) != observed:
        what = "Prometheus is" if FULL in (wanted, observed) else "the exporter is"
        raise ToolError(
            f"STACK_OBSERVABILITY={wanted}: {what} started and ended by `make up` only, and "
            "requests fail meanwhile"
        )


def _has_variables(web: Container) -> bool:
    """Whether the file of STACK_ENVIRONMENT is the one that web was given, unchanged since then.
    Raises ToolError."""
    project = containers.plan().project
    if project is None or not project.environment:
        return True
    given = json.loads(containers.require("compose", "config", "--format=json"))
    file = Path(given["secrets"]["environment"]["file"])
    try:
        now = file.stat()
    except OSError as error:
        raise ToolError(f"STACK_ENVIRONMENT={file}: {error.strerror}") from None
    words = ("stat", "--dereference", "--format=%d %i", "/run/secrets/environment")
    had = containers.output_of(containers.execute(web.id, *words)).split()
    return had == [str(now.st_dev), str(now.st_ino)] and now.st_ctime <= containers.began(web)


def _bring_into_force(web: Container, pooler: Container, changed: set[str]) -> None:
    """Bring the files that are there into force in the servers. Raises ToolError."""
    plan = containers.plan()
    _require_packages(plan)
    if plan.background:
        _require_commands()
    valkey_restart.require_same(plan)
    own = [] if plan.external else [POSTGRES]
    if own and plan.memory.total > containers.only_container(POSTGRES).memory:
        _limit(POSTGRES, plan.memory.total, 0)
    with background_containers.ended():
        if POSTGRES in changed:
            postgres_restart.parse(plan)
            postgres_restart.apply(plan, web, pooler)
        if PGBOUNCER in changed:
            pooler_takeover.take_over(pooler, plan)
        if VALKEY in changed:
            valkey_restart.apply()
        web_takeover.take_over(web)
    new = containers.only_container("web")
    for service in (*own, PGBOUNCER, *([VALKEY] if plan.valkey else [])):
        _limit(service, new.memory, new.nano_cpus)


def _require_packages(plan: Plan) -> None:
    """Raise ToolError for a Debian package that an image would have to be built with."""
    wanted = {"web": plan.packages.web, POSTGRES: plan.packages.postgres}
    for service, names in wanted.items():
        if not names:
            continue
        within = ("docker", "exec", containers.only_container(service).id)
        if missing := packages.not_installed(names, within):
            raise ToolError(
                f"the image of {service} lacks {', '.join(missing)}, for STACK_EXTENSIONS or "
                "STACK_PACKAGES. `make up` builds it and replaces the servers; requests fail "
                "meanwhile"
            )


def _require_commands() -> None:
    """Raise ToolError for a worker, or an entry of the schedule, whose command the project does not
    have."""
    done = containers.once("migrate", "python", "-m", "pgstack.targets.background", "commands")
    if done.returncode:
        raise ToolError(containers.last_words(done.stderr.decode(errors="replace")))


def _limit(service: str, memory: int, nano_cpus: int) -> None:
    """Give a container that stays the limits that a new one has. Raises ToolError."""
    container = containers.only_container(service)
    words = (
        [] if container.memory == memory else [f"--memory={memory}", f"--memory-swap={2 * memory}"]
    )
    if nano_cpus not in (0, container.nano_cpus):
        words += [f"--cpus={nano_cpus / 10**9}"]
    if words:
        containers.require("update", *words, container.id)


def _take_back(before: bytes, web: Container, pooler: Container, changed: set[str]) -> None:
    """Put the files back that were there, and have PostgreSQL read them. Raises ToolError."""
    options = ("--rm", "--no-deps", "--no-TTY", "--entrypoint=tar")
    words = ("-C", containers.CONF, "--extract", "--no-overwrite-dir")
    containers.require("compose", "run", *options, "configure", *words, given=before)
    plan = containers.plan()
    postgres_restart.apply(plan, web, pooler_takeover.serving())
    if not containers.running(PGBOUNCER) or containers.only_container(PGBOUNCER).id != pooler.id:
        pooler_takeover.take_over(pooler_takeover.serving(), plan)
    if VALKEY in changed:
        valkey_restart.apply()


def _render() -> None:
    """Write the files of the inputs. Raises ToolError in the planner's words."""
    done = containers.once("configure")
    if done.returncode:
        raise ToolError(containers.last_words(done.stderr.decode(errors="replace")))


def _conf() -> bytes:
    """An archive of all that was rendered."""
    return containers.rendered("tar", "-C", containers.CONF, "--create", ".")


def _changed(before: bytes, after: bytes) -> set[str]:
    """First names of the paths whose content differs: a server's folder, or a file."""
    old, new = _files(before), _files(after)
    paths = {path for path in old.keys() | new.keys() if old.get(path) != new.get(path)}
    return {PurePosixPath(path).parts[0] for path in paths}


def _files(archive: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as packed:
        return {
            member.name: text.read()
            for member in packed
            if (text := packed.extractfile(member)) is not None
        }


def work() -> None:
    """Reload, alone."""
    with containers.exclusive():
        reload()


if __name__ == "__main__":
    debian.main("reload", work)
