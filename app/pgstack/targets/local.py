"""The embedded target: private instances of Debian's servers under one directory, on sockets."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from pgstack.errors import InputError, StackError, TargetError
from pgstack.live import account
from pgstack.live.probes import local as processes
from pgstack.ops import drain, postgres
from pgstack.planning import hardware, layout, packages, state
from pgstack.planning.config import StackConfig
from pgstack.planning.plan import Plan
from pgstack.rendering import render, tls
from pgstack.targets import (
    database,
    directory,
    failure,
    health,
    listener,
    pause,
    project,
    running,
    supervision,
)
from pgstack.targets import release as new_code
from pgstack.targets import reload as new_settings

Say = Callable[[str], None]
AGAIN = "Put it right and run `make up` again: it goes on from here."


def up(say: Say) -> str:
    """Start everything that does not run yet and return the page's address.

    What cannot work is refused before anything is made or stopped. A start that fails later stops
    the servers that it started and can be repeated: it goes on with what is there.

    Raises StackError when a package is missing, the port is taken or a server does not start.
    """
    plan = state.fresh_plan()
    _require_packages(plan)
    tls.provided(plan)  # read again below with the rights of the account
    directory.require(plan)
    root, name = Path(plan.paths.root), plan.accounts.web
    listener.require(plan, supervision.process_ids(plan, "apache"))
    _require_same_project(plan)
    account.enter(name, root, Path(plan.paths.app))
    database.require_locale(plan)
    with directory.locked(root) as lock:
        if _end_orphans(root):
            say("stopped   what ran on without its directory")
        wanted = [*tls.files(plan), *render.files(plan)]
        directory.make(plan)
        render.ensure_secrets(plan)
        changed = render.write(wanted)
        say(f"rendered  {len(changed)} files changed in {plan.paths.conf}")
        fingerprint = render.fingerprint(wanted)
        installed = project.prepare(plan, say, lock)
        unfinished = processes.unfinished(plan)
        stale = (
            bool(changed)
            or installed
            or unfinished.exists()
            or supervision.started_with(plan) != fingerprint
        )
        _stop_what_is_stale(plan, stale, say)
        unfinished.unlink(missing_ok=True)
        _initialise(plan, say, lock)
        _start(plan, fingerprint, say, lock)
    return plan.site.url


def _stop_what_is_stale(plan: Plan, changed: bool, say: Say) -> None:
    if supervision.states(plan) is None:
        if supervision.stop(plan):
            say("stopped   what ran on without a supervisor")
    elif changed:
        say("restart   the configuration changed")
        supervision.stop(plan)


def _start(plan: Plan, fingerprint: str, say: Say, lock: int) -> None:
    ran = supervision.states(plan) is not None
    try:
        supervision.start_daemon(plan, fingerprint)
        supervision.start(plan, "postgres")
        supervision.wait(
            lambda: database.psql(plan, "SELECT 1").returncode == 0,
            "PostgreSQL",
            f"{plan.paths.log}/postgres.log",
        )
        _require(
            plan, database.psql(plan, file=f"{plan.paths.conf}/postgres/roles.sql"), "roles.sql"
        )
        say("postgres  answers on its socket, roles in place")
        supervision.start(plan, "pgbouncer")
        _migrate(plan, lock)
        _collect_static(plan, lock)
        say("database  migrated" + ("" if plan.project else " and seeded"))
        pause.enable_keepalive(
            plan
        )  # a reload that was killed may have asked otherwise, and held requests back
        pause.resume(plan)
        _try(plan, lock, AGAIN)
        supervision.start(plan, "apache")
        supervision.wait(
            lambda: listener.ready(plan), "the page", f"{plan.paths.log}/apache-error.log"
        )
        supervision.wait(
            lambda: supervision.all_run(plan),
            "every server RUNNING",
            f"{plan.paths.log}/supervisord.log",
        )
    except BaseException:
        if not ran:
            with suppress(StackError):
                supervision.stop(plan)
        raise


def release(say: Say) -> None:
    """Have the running web processes load the code that is in the checkout now, without losing a
    request.

    Raises TargetError when it does not pass its checks, its migrations or a trial; then the old
    code serves on.
    """
    new_code.release(_prepare, say)
    say("released")


def reload(say: Say) -> None:
    """Bring changed inputs into force on the running stack, without losing a request.

    Raises StackError when a server would not take them, or could only at its start; then what was
    in force stays.
    """
    _require_packages(state.fresh_plan())
    new_settings.reload(_prepare, say)


def _prepare(plan: Plan, lock: int) -> None:
    project.prepare(plan, lambda _: None, lock)
    _manage(plan, lock, "check")
    _collect_static(plan, lock)
    _migrate(plan, lock)
    _try(plan, lock, "The code that was loaded before serves on.")


def _try(plan: Plan, lock: int, instead: str) -> None:
    """Ask the application for its front page, in a process of its own. Raises TargetError, ending
    with `instead`."""
    trial = ("-m", "pgstack.serving.trial", plan.web.wsgi, plan.site.hosts[0].lstrip("."))
    done = project.run(plan, lock, *trial, *drain.PAGES)
    if done.returncode:
        raise TargetError(f"{plan.web.wsgi}: {failure.told(plan, done.stderr)} {instead}")


def _migrate(plan: Plan, lock: int) -> None:
    _manage(plan, lock, "migrate", "--no-input", "-v0")
    for words in layout.commands(plan):
        _manage(plan, lock, *words)


def down() -> bool:
    """Stop everything, what runs on without its directory too; False when nothing ran."""
    root = layout.stack_directory(state.inputs())
    if _end_orphans(root) and not directory.is_stack(root):
        return True
    plan = _rendered()
    with directory.locked(Path(plan.paths.root)):
        return supervision.stop(plan)


def status() -> tuple[str, list[health.Server], str]:
    """The page's address, each server, none when nothing runs, and what a killed command left
    unfinished."""
    plan = _rendered()
    return plan.site.url, health.servers(plan), health.cut_off(plan)


def orphans() -> list[str]:
    """What runs on without its directory, each with its process."""
    return running.names(running.orphans(layout.stack_directory(state.inputs())))


def _end_orphans(root: Path) -> bool:
    """Whether there were any."""
    left = running.orphans(root)
    running.end(left)
    return bool(left)


def delete(say: Say) -> None:
    """Stop the stack and delete its directory, data included.

    Raises TargetError, and deletes nothing, for a directory that holds no plan of its own.
    """
    root = layout.stack_directory(state.inputs())
    if _end_orphans(root):
        say("stopped   what ran on without its directory")
    if not os.path.lexists(root) or (root.is_dir() and not any(root.iterdir())):
        say(f"nothing to delete in {root}")
        return
    if not directory.is_stack(root):
        raise TargetError(
            f"STACK_DIR={root}: no stack's directory, for conf/plan.json in it is missing or "
            f"another's. "
            "Nothing was deleted."
        )
    plan = state.rendered_plan()
    with directory.locked(root):
        if plan and supervision.stop(plan):
            say("stopped")
        kept = directory.delete(root)
    say(f"deleted   {root}, data included" + (f"; kept in it: {', '.join(kept)}" if kept else ""))


def _rendered() -> Plan:
    plan = state.started_plan()
    _require_target(plan)
    account.assume_owner(Path(plan.paths.root))
    return plan


def _require_target(plan: Plan) -> None:
    if plan.target != "local":
        raise InputError(
            f"STACK_TARGET={plan.target}: this command runs the target local only. Unset it."
        )


def _require_same_project(plan: Plan) -> None:
    """A database belongs to the project that was migrated into it."""
    before = None
    with suppress(StackError):  # one that was cut off is written anew
        before = state.rendered_plan()
    if (
        before
        and Path(before.paths.data).exists()
        and (before.project is None) != (plan.project is None)
    ):
        served = "the demo" if before.project is None else f"STACK_PROJECT={before.paths.app}"
        raise InputError(
            f"{plan.paths.root}: its database is that of {served}. Serve that, or set another "
            f"STACK_DIR."
        )


def _require_packages(plan: Plan) -> None:
    _require_target(plan)
    here = hardware.detect(StackConfig()).debian
    if here not in (None, plan.debian):
        raise InputError(
            f"STACK_DEBIAN={plan.debian}: the target local runs this machine's Debian {here}. "
            f"Unset it."
        )
    openssl = {"/usr/bin/openssl": "openssl"} if plan.site.tls != "off" else {}
    if missing := packages.missing({**packages.servers(plan.debian), **openssl}):
        raise TargetError(packages.refusal(missing))


def _initialise(plan: Plan, say: Say, lock: int) -> None:
    """initdb into a neighbour that is renamed when complete, so that data is whole or not there."""
    data = Path(plan.paths.data)
    scratch = data.with_name("data.new")
    shutil.rmtree(scratch, ignore_errors=True)
    if data.exists():
        return
    binary = postgres.program(plan, "initdb")
    try:
        done = subprocess.run(
            [
                binary,
                "-D",
                str(scratch),
                "-U",
                plan.roles.admin,
                "-A",
                "peer",
                "-k",
                "-E",
                "UTF8",
                "--locale=C.UTF-8",
            ],
            capture_output=True,
            text=True,
            check=False,
            pass_fds=[lock],
        )
        _require(plan, done, "initdb")
        scratch.rename(data)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    say("initdb    data checksums on")


def _collect_static(plan: Plan, lock: int) -> None:
    """Static files; those of a run that did not end are made anew, for the last may be cut off."""
    unfinished = Path(plan.paths.root, "static.unfinished")
    anew = ["--clear"] if unfinished.exists() else []
    try:
        unfinished.touch()
        _manage(plan, lock, "collectstatic", "--no-input", "-v0", *anew)
        unfinished.unlink()
    except OSError as error:
        raise TargetError(
            f"{unfinished}: {error.strerror}. Put it right and run `make up` again."
        ) from None


def _manage(plan: Plan, lock: int, *arguments: str) -> None:
    _require(
        plan,
        project.run(plan, lock, *project.manage(plan), *arguments),
        f"manage.py {arguments[0]}",
    )


def _require(plan: Plan, done: subprocess.CompletedProcess[str], what: str) -> None:
    if done.returncode:
        raise TargetError(
            f"{what}: {failure.told(plan, done.stderr.strip() or done.stdout)} {AGAIN}"
        )
