"""`kill -9` of every process that a stack has: the page comes back, and nothing is left that nobody
looks after."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator

import psutil
import pytest

from fixtures.local_stack import LocalStack


@pytest.fixture
def running(stack: LocalStack) -> Iterator[LocalStack]:
    """The stack, up before and after the test."""
    stack.wait_until(stack.answers)
    yield stack
    done = stack.manage("stack_local", "up")
    assert done.returncode == 0, done.stderr


def supervisor(stack: LocalStack) -> psutil.Process:
    return psutil.Process(int((stack.directory / "run/supervisord.pid").read_text()))


def server(stack: LocalStack, name: str) -> psutil.Process:
    """The parent of the server's processes; NoSuchProcess between its end and its start."""
    for process in supervisor(stack).children():
        if process.name() == name:
            return process
    raise psutil.NoSuchProcess(0, name)


def apache(stack: LocalStack) -> psutil.Process:
    return server(stack, "apache2")


def pgbouncer(stack: LocalStack) -> psutil.Process:
    return server(stack, "pgbouncer")


def postmaster(stack: LocalStack) -> psutil.Process:
    return server(stack, "postgres")


def daemon(stack: LocalStack) -> psutil.Process:
    return min(stack.daemons(), key=lambda process: process.create_time())


def orphans(stack: LocalStack) -> list[psutil.Process]:
    """Processes of the stack that are not below its supervisor."""
    processes = stack.processes()  # first: a server starts children at any time
    owner = supervisor(stack)
    below = {owner.pid, *(child.pid for child in owner.children(recursive=True))}
    return [process for process in processes if process.pid not in below and not _ended(process)]


def _ended(process: psutil.Process) -> bool:
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def is_whole(stack: LocalStack, victim: psutil.Process) -> bool:
    """Whether everything runs below the supervisor again, and the page with it."""
    try:
        parents = {find(stack).pid for find in (apache, pgbouncer, postmaster)}
    except psutil.NoSuchProcess:
        return False
    return (
        victim.pid not in parents
        and not orphans(stack)
        and len(stack.daemons()) == 2
        and stack.answers()
    )


@pytest.mark.parametrize(
    "victim",
    [
        postmaster,
        pgbouncer,
        *(pytest.param(kind, marks=pytest.mark.slow) for kind in (apache, daemon)),
    ],
)
def test_server_that_is_killed_comes_back_and_leaves_nothing(
    running: LocalStack, victim: Callable[[LocalStack], psutil.Process]
) -> None:
    killed = victim(running)
    killed.kill()
    running.wait_until(lambda: is_whole(running, killed))
    status = running.manage("stack_local", "status")
    assert status.returncode == 0, status.stdout


def children(stack: LocalStack) -> set[int]:
    """Apache's own, without the daemons."""
    children = {child.pid for child in apache(stack).children()}
    return children - {process.pid for process in stack.daemons()}


def test_child_of_apache_that_is_killed_is_replaced_also_when_nobody_asks(
    running: LocalStack,
) -> None:
    before = children(running)
    killed = min(before)
    os.kill(killed, signal.SIGKILL)
    running.wait_until(lambda: len(children(running) - {killed}) == len(before))


def test_backends_of_a_killed_postmaster_do_not_keep_the_next_one_out(running: LocalStack) -> None:
    """A backend that computes sees its parent's end late, and holds the shared memory until
    then."""
    session = running.psql("SELECT count(*) FROM generate_series(1, 30000000)")
    query = (
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%series(1, 30000000)' AND state = "
        "'active'"
    )
    running.wait_until(lambda: running.sql(query) == "1")
    killed = postmaster(running)
    killed.kill()
    running.wait_until(lambda: is_whole(running, killed), seconds=60)
    session.communicate(timeout=60)


def test_killed_supervisor_is_told_and_recovered_by_up(running: LocalStack) -> None:
    supervisor(running).kill()
    running.wait_until(lambda: _ended(supervisor_of_file(running)))
    status = running.manage("stack_local", "status")
    assert status.returncode == 1
    states = [line.split() for line in status.stdout.splitlines()]
    assert states[:3] == [
        ["postgres", "UNSUPERVISED"],
        ["pgbouncer", "UNSUPERVISED"],
        ["apache", "UNSUPERVISED"],
    ]
    assert running.answers(), "the servers serve on meanwhile"
    done = running.manage("stack_local", "up")
    assert done.returncode == 0, done.stderr
    assert "stopped   processes without a supervisor\n" in done.stdout
    assert orphans(running) == []
    assert running.answers()


def supervisor_of_file(stack: LocalStack) -> psutil.Process:
    try:
        return supervisor(stack)
    except psutil.NoSuchProcess:
        return psutil.Process(os.getpid())  # never asked: it has ended


def test_down_stops_what_a_killed_supervisor_left(running: LocalStack) -> None:
    supervisor(running).kill()
    done = running.manage("stack_local", "down")
    assert (done.returncode, done.stdout) == (0, "stopped\n")
    assert [process for process in running.processes() if not _ended(process)] == []


def test_up_after_everything_was_killed_at_once(running: LocalStack) -> None:
    """What a power cut leaves: pid files, lock files and sockets of processes that are gone."""
    killed = sorted(running.processes(), key=lambda process: process.create_time())
    for process in killed:  # the supervisor first, so that it starts nothing again
        if process.is_running():
            os.kill(process.pid, signal.SIGKILL)
    running.wait_until(lambda: all(_ended(process) for process in running.processes()))
    left = [
        str(path.relative_to(running.directory / "run"))
        for path in (running.directory / "run").rglob("*")
    ]
    assert {
        "supervisor.sock",
        "supervisord.pid",
        "apache/apache2.pid",
        "postgres/.s.PGSQL.5432.lock",
    } <= set(left)
    done = running.manage("stack_local", "up")
    assert done.returncode == 0, done.stderr
    assert orphans(running) == []
    assert running.answers()
