"""Changed settings for a running local stack, without losing a request.

They are tried first. PostgreSQL and PgBouncer then read them; for what PostgreSQL reads only at its
start it is restarted while requests wait. The web processes are replaced one by one. Apache reads
its files only when it starts, and no second one could take over here: what would change them is
refused.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import psutil

from pgstack.errors import StackError, TargetError
from pgstack.external.server import Server
from pgstack.live import account
from pgstack.live.probes import bounded, local, pooler, supervisord
from pgstack.live.verify import settings
from pgstack.live.verify.live import Live
from pgstack.ops import drain, rendered
from pgstack.planning import services, targets
from pgstack.planning.plan import Plan
from pgstack.rendering import files, templates, tls
from pgstack.rendering.file import File
from pgstack.targets import (
    candidate,
    database,
    directory,
    external,
    pause,
    prepare,
    project,
    release,
    supervision,
    valkey,
    workers,
)
from pgstack.targets.run import Run, Say

CHECKS = (settings.postgres_settings, settings.role_settings, settings.pooler_settings)
OF_OTHERS = CHECKS[1:]
"""those where PostgreSQL is external"""
COMMAND = "reload"
GENTLE = 15
"""niceness while code is prepared: requests come first"""
IN_FORCE_SECONDS = 5
"""PostgreSQL's processes read its files a moment after they are told to"""


def reload(plan: Plan, server: Server | None, say: Say) -> None:
    """Bring what the inputs give now into force, with the code that the web processes load
    anew.

    Raises StackError, with everything as it was, for what a server does not take or reads only at
    its start.
    """
    root = Path(plan.paths.root)
    supervision.require_running(plan, "reload", "it starts with the inputs as they are")
    account.require(plan.accounts.web, root, Path(plan.paths.app))
    directory.require(plan)
    database.require_locale(plan)
    signal.signal(
        signal.SIGTERM, signal.default_int_handler
    )  # Ctrl-C and SIGTERM let requests go on first
    with directory.locked(root) as lock:
        pause.resume(plan)  # one that was killed may have held them back
        external.require_same(plan)
        directory.make(plan)
        with rendered.as_before_on_error(external.files(plan)):
            of_others = external.prepare(plan, server, say)
            wanted = [*of_others, *tls.files(plan), *templates.files(plan)]
            if _is_in_force(plan, wanted):
                say("unchanged the running stack matches the inputs")
                return
            _require_same_apache(plan, wanted)
            valkey.require_same(plan)
            _require_same_poolers(plan)
            supervision.allow_files(plan)
            candidate.require(plan)
            who = "PgBouncer accepts" if plan.external else "PostgreSQL and PgBouncer accept"
            say(f"tried     {who} the new configuration")
            _change(Run(plan, say, lock), wanted)
    say("reloaded")


def _is_in_force(plan: Plan, wanted: list[File]) -> bool:
    return (
        not local.unfinished(plan).exists()
        and not files.difference(wanted)
        and supervision.started_with(plan) == files.fingerprint(wanted)
        and _has_variables(plan)
    )


def _has_variables(plan: Plan) -> bool:
    """Whether all that reads the file of STACK_ENVIRONMENT began after its last change."""
    file = targets.of(plan.target).environment_file(plan)
    if file is None:
        return True
    changed = file.stat().st_ctime  # a file that is moved there keeps the time of its text
    began = [process.create_time() for process in release.daemons(plan)]
    began += [row["start"] for row in supervisord.rows(plan) or () if _is_worker_at_work(row)]
    return min(began, default=0) > changed


def _is_worker_at_work(row: dict[str, Any]) -> bool:
    return supervision.is_worker(row["name"]) and row["statename"] == "RUNNING"


def _change(run: Run, wanted: list[File]) -> None:
    """Bring what was tried into force: servers, web processes, workers, scheduler."""
    fingerprint = files.fingerprint(wanted)
    if project.is_current(run.plan):  # else what they need is made first
        workers.require_commands(run)
    with workers.stopped(run):
        with pause.disable_keepalive(run.plan):
            _bring_into_force(run, wanted)
            release.replace(run)
        supervision.follow(run.plan, fingerprint)
    workers.start_scheduler(run)
    local.unfinished(run.plan).unlink()


def _require_same_apache(plan: Plan, wanted: list[File]) -> None:
    """Raise TargetError when a file differs from what Apache has read, which it does only at its
    start."""
    read = psutil.Process(supervision.process_ids(plan, "apache")[0]).create_time()
    for file in wanted:
        if not file.path.is_relative_to(
            f"{plan.paths.conf}/apache"
        ) and not file.path.is_relative_to(plan.paths.tls):
            continue
        lines = files.difference([file]).splitlines()[2:]
        if lines or file.path.stat().st_mtime > read:
            changed = [line[1:].strip() for line in lines if line.startswith("+")]
            what = (
                f"would say `{changed[0]}`"
                if changed and not file.secret
                else "differs from what Apache has read"
            )
            raise TargetError(
                f"reload: {file.path} {what}. Apache reads it only when it starts: `make up` "
                f"restarts the stack, and "
                "requests fail meanwhile. Nothing was changed."
            )


def _require_same_poolers(plan: Plan) -> None:
    """Raise TargetError where a reload would have to start or end one: web processes are bound to
    those that run."""
    known = {each.name for each in services.SERVICES}
    running = services.in_order(supervisord.states(plan) or {})
    there = [name for name in running if name == "pgbouncer" or name not in known]
    if len(there) != len(plan.pooler.processes):
        raise TargetError(
            f"reload: {len(plan.pooler.processes)} PgBouncers are planned, and {len(there)} run. "
            "They are started and ended by `make up` only, which restarts the stack. Nothing was "
            "changed."
        )


def _bring_into_force(run: Run, wanted: list[File]) -> None:
    """Files, servers and code; all of it, or what was there before. Raises StackError."""
    plan = run.plan
    old = rendered.present(wanted)
    mark = local.unfinished(plan)
    whole = not mark.exists()
    try:
        mark.write_text(COMMAND)  # what is cut off from here on is seen by `make status`
        rendered.write(wanted)
        _reread(run, old)
        _require_in_force(plan)
        os.nice(GENTLE)
        prepare.prepare(run)
    except BaseException as error:
        try:
            rendered.write(old)
            _reread(run, old)
        except StackError as second:
            raise TargetError(
                f"{error}\nThe previous configuration is not yet in force again: {second}"
            ) from None
        if whole:
            mark.unlink(missing_ok=True)
        if isinstance(error, StackError):
            raise TargetError(f"{error} The previous configuration is in force again.") from None
        raise


def _reread(run: Run, old: list[File]) -> None:
    """Bring the files that are there into force in PostgreSQL and PgBouncer. Raises StackError."""
    plan = run.plan
    if plan.external:
        pooler.command(plan, "RELOAD")
    elif database.look_through(plan):
        _restart(run, old)
    else:
        database.reload(plan)
        pooler.command(plan, "RELOAD")
    if plan.external is None:
        database.roles(plan)
    pooler.command(plan, "RECONNECT")  # what is set on a role counts for new backends
    run.say("reread    " + ("PgBouncer" if plan.external else "PostgreSQL, PgBouncer"))
    if took := valkey.restart_if_changed(plan):
        run.say(f"restarted Valkey in {took}, while its cache was waited for")


def _restart(run: Run, old: list[File]) -> None:
    """Restart PostgreSQL while requests wait; with the `old` files when it does not start with
    those that are there.

    PgBouncer reads its own meanwhile: neither an old pool meets a new limit of connections nor the
    other way round.
    """
    plan = run.plan
    database.checkpoint(plan)
    with pause.paused(plan):
        begun = time.monotonic()
        try:
            database.restart(plan, drain.patience(plan))
            pooler.command(plan, "RELOAD")
        except BaseException:
            rendered.write(old)
            database.restart(plan, drain.patience(plan))
            raise
        took = time.monotonic() - begun
    run.say(f"restarted PostgreSQL in {took:.1f} s, while requests waited")


def _require_in_force(plan: Plan) -> None:
    """The servers say of themselves what is planned. Raises TargetError naming what they do not."""
    deadline = time.monotonic() + IN_FORCE_SECONDS
    while wrong := _not_in_force(plan):
        if time.monotonic() > deadline:
            raise TargetError(f"reload: {'; '.join(wrong)}.")
        time.sleep(supervision.POLL_SECONDS)


def _not_in_force(plan: Plan) -> list[str]:
    with bounded.waits():
        live = Live(plan)
        checks = OF_OTHERS if plan.external else CHECKS
        return [
            outcome.detail for outcome in (check(live) for check in checks) if not outcome.holds
        ]
