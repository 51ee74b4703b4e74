"""The embedded target: private instances of Debian's servers under one directory, on sockets."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from pgstack.errors import InputError, StackError, TargetError
from pgstack.external import survey
from pgstack.external.server import Server
from pgstack.live import account
from pgstack.live.probes import local as processes
from pgstack.live.probes import supervisord
from pgstack.metrics import screen
from pgstack.ops import rendered
from pgstack.planning import hardware, layout, packages, services, state
from pgstack.planning.config import StackConfig
from pgstack.planning.plan import Plan
from pgstack.rendering import files, templates, tls
from pgstack.rendering.file import File
from pgstack.targets import (
    backups,
    database,
    directory,
    external,
    failure,
    listener,
    major,
    pause,
    prepare,
    project,
    running,
    supervision,
    valkey,
    workers,
)
from pgstack.targets import release as new_code
from pgstack.targets import reload as new_settings
from pgstack.targets import status as standing
from pgstack.targets.run import Run, Say


def up(
    say: Say, restore: Callable[[Plan], None] | None = None, server: Server | None = None
) -> str:
    """Start everything that does not run yet and return the page's address.

    What cannot work is refused before anything is made or stopped. A start that fails later stops
    the servers that it started and can be repeated: it goes on with what is there.
    `restore` is done while PostgreSQL runs and nobody works with it; an external `server` is asked
    unless it was.

    Raises StackError when a package is missing, the port is taken or a server does not start.
    """
    server = server or survey.ask(state.inputs())
    plan = survey.fresh_plan(server)
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
            say("stopped   processes whose directory was gone")
        wanted = [*tls.files(plan), *templates.files(plan)]
        directory.make(plan)
        rendered.ensure_secrets(plan)
        before, run = _before(), Run(plan, say, lock)
        fingerprint, changed = _prepare(run, server, wanted)
        unfinished = processes.unfinished(plan)
        stale = changed or unfinished.exists() or supervision.started_with(plan) != fingerprint
        _stop_what_is_stale(run, before or plan, stale)
        unfinished.unlink(missing_ok=True)
        if plan.external is None:
            database.initialise(run)
        _start(run, fingerprint, restore)
        workers.start(run)
        workers.start_scheduler(run)
    return plan.site.url


def _prepare(run: Run, server: Server | None, wanted: list[File]) -> tuple[str, bool]:
    """Write what is rendered and install what the project needs, or leave both as they were; the
    fingerprint of all files, and whether anything changed."""
    plan = run.plan
    with rendered.as_before_on_error([*external.files(plan), *wanted]):
        changed = rendered.write(wanted)
        wanted = [*external.prepare(plan, server, run.say), *wanted]
        run.say(f"rendered  {len(changed)} files changed in {plan.paths.conf}")
        installed = project.prepare(run)
        prepare.build(run)
        workers.require_commands(run)
    return files.fingerprint(wanted), bool(changed) or installed


def _stop_what_is_stale(run: Run, before: Plan, changed: bool) -> None:
    """`before` may have had a server that the plan has not."""
    if supervisord.states(run.plan) is None:
        if supervision.stop(before):
            run.say("stopped   processes without a supervisor")
    elif changed:
        run.say("restart   the configuration changed")
        supervision.stop(run.plan)


def _start(run: Run, fingerprint: str, restore: Callable[[Plan], None] | None) -> None:
    plan = run.plan
    ran = supervisord.states(plan) is not None
    try:
        supervision.start_daemon(plan, fingerprint)
        if plan.external is None:
            database.start(run)
        if restore:
            restore(plan)
        for pooler in services.poolers(plan):
            supervision.start(plan, pooler.name)
        valkey.start(plan)
        prepare.collect_static(run)
        prepare.migrate(run)
        run.say("database  migrated" + ("" if plan.project else " and seeded"))
        pause.enable_keepalive(
            plan
        )  # a reload that was killed may have asked otherwise, and held requests back
        pause.resume(plan)
        prepare.require_answers(run, failure.REMEDY)
        for name in services.servers(plan):  # those that do not run yet, Apache first
            supervision.start(plan, name)
        supervision.wait(lambda: listener.ready(plan), "the page", plan.paths.error_log)
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
    """Load the checkout's current code into the running web processes, without losing a request.

    Raises TargetError when it does not pass its checks, its migrations or a trial; then the old
    code serves on.
    """
    new_code.release(say)
    say("released")


def reload(say: Say) -> None:
    """Bring changed inputs into force on the running stack, without losing a request.

    Raises StackError when a server would not take them, or could only when it starts; then what was
    in force stays.
    """
    server = survey.ask(state.inputs())
    plan = survey.fresh_plan(server)
    _require_packages(plan)
    new_settings.reload(plan, server, say)


def backup(say: Say) -> None:
    """Keep the rows and the files of what runs, encrypted; of an external database files alone.
    Raises StackError."""
    inputs = state.inputs()
    kept = backups.repository(inputs, say, make=True)  # the passphrase is the caller's
    root = layout.stack_directory(inputs)
    if root.is_dir():
        backups.make_place(inputs, root)
    backups.save(_rendered(), kept, say)  # from here on as the stack's account


def restore(say: Say, name: str, overwrite: bool) -> str:
    """Start the stack with the rows and files of a backup; returns the page's address.

    Raises StackError, also where a database or files are there and `overwrite` is not said.
    """
    inputs = state.inputs()
    bring_back = backups.chosen(inputs, name, say)
    backups.require_room(inputs, overwrite)
    server = survey.ask(inputs)  # whose password the stack's account may not read
    if directory.is_stack(layout.stack_directory(inputs)) and down():
        say("stopped")
    return up(say, bring_back, server)


def upgrade(say: Say, *, rehearse: bool, finish: bool) -> None:
    """Take the rows of an older PostgreSQL along into the machine's, while nothing runs; or give
    the old data up. Raises StackError."""
    plan = survey.fresh_plan(survey.ask(state.inputs()))
    _require_packages(plan)
    root = Path(plan.paths.root)
    if plan.external:
        raise InputError("STACK_DATABASE_URL: this PostgreSQL is its administrator's to upgrade.")
    if not directory.is_stack(root):
        raise TargetError(f"STACK_DIR={root}: no stack was started there, so there are no rows.")
    account.enter(plan.accounts.web, root, Path(plan.paths.app))
    with directory.locked(root) as lock:
        run = Run(plan, say, lock)
        major.finish(run) if finish else major.upgrade(run, rehearse=rehearse)


def down() -> bool:
    """Stop everything, what runs on without its directory too; False when nothing ran."""
    root = layout.stack_directory(state.inputs())
    if _end_orphans(root) and not directory.is_stack(root):
        return True
    plan = _rendered()
    with directory.locked(Path(plan.paths.root)):
        return supervision.stop(plan)


def status() -> screen.Report:
    """What runs, and in which state."""
    return standing.report(_rendered())


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
        say("stopped   processes whose directory was gone")
    if not os.path.lexists(root) or (root.is_dir() and not any(root.iterdir())):
        say(f"nothing to delete in {root}")
        return
    if not directory.is_stack(root):
        raise TargetError(
            f"STACK_DIR={root}: not a stack's directory: its conf/plan.json is missing or "
            "another stack's. Nothing was deleted."
        )
    plan = state.rendered_plan()
    with directory.locked(root):
        if plan and supervision.stop(plan):
            say("stopped")
        kept = directory.delete(root)
    say(f"deleted   {root}, data included" + (f"; kept in it: {', '.join(kept)}" if kept else ""))


def started() -> Plan:
    """The plan of what was started, on whatever target; of the local one as its account, which the
    servers know. Raises StackError where nothing was."""
    plan = state.started_plan()
    if plan.target == "local":
        account.assume_owner(Path(plan.paths.root))
    return plan


def _rendered() -> Plan:
    _require_target(state.started_plan())
    return started()


def _require_target(plan: Plan) -> None:
    if plan.target != "local":
        raise InputError(
            f"STACK_TARGET={plan.target}: this command runs the target local only. Unset it."
        )


def _before() -> Plan | None:
    """The plan of the start before; one that was cut off is written anew."""
    with suppress(StackError):
        return state.rendered_plan()
    return None


def _require_same_project(plan: Plan) -> None:
    """A database belongs to the project that was migrated into it."""
    before = _before()
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
    wants_openssl = plan.site.tls != "off" or plan.external
    openssl = {"/usr/bin/openssl": "openssl"} if wants_openssl else {}
    optional = services.optional_programs(plan)
    servers = packages.servers(plan.debian, postgresql=plan.external is None)
    missing = packages.missing({**servers, **openssl, **optional})
    missing += packages.not_installed([*plan.packages.web, *plan.packages.postgres])
    if missing:
        raise TargetError(packages.refusal(missing))
