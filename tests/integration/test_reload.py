"""Changed settings on the local stack: in force under load, or refused with everything as it
was."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fixtures import pooler_console, steady_load
from fixtures.local_stack import CHECKOUT, LocalStack
from fixtures.scraping import SOURCES, of, scraped, up

SPOILT = """
import runpy, sys
from dataclasses import replace
from pgstack.rendering import templates
_, name, line = sys.argv
true = templates.files
templates.files = lambda plan: [
    replace(file, text=f"{file.text}{line}\\n") if file.path.name == name else file for file in true(plan)
]
sys.argv = ["manage.py", "stack_local", "reload"]
runpy.run_path("app/manage.py", run_name="__main__")
"""
"""`reload` with a line more in one file, as if it were in its template"""


def reload_with(stack: LocalStack, name: str, line: str) -> subprocess.CompletedProcess[str]:
    environment = stack.environment(PYTHONPATH=str(CHECKOUT / "app"))
    command = [sys.executable, "-c", SPOILT, name, line]
    return subprocess.run(
        command,
        cwd=CHECKOUT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def state(stack: LocalStack) -> tuple[dict[Path, tuple[str, int]], set[int]]:
    """Content and time of every file of the configuration, and the processes of the stack."""
    files = [path for path in (stack.directory / "conf").rglob("*") if path.is_file()]
    running = {process.pid for process in stack.daemons()} | set(stack.servers().values())
    return {path: (path.read_text(), path.stat().st_mtime_ns) for path in files}, running


def settings(stack: LocalStack) -> tuple[str, str, str]:
    """What three servers run with: PostgreSQL's connections, the pool, and whether PgBouncer pools
    by transaction."""
    shown = pooler_console.settings(stack)
    return stack.sql("SHOW max_connections"), shown["default_pool_size"], shown["pool_mode"]


@pytest.mark.slow
def test_a_larger_pool_comes_into_force_under_load(stack: LocalStack) -> None:
    before, daemons = stack.servers(), {process.pid for process in stack.daemons()}
    try:
        done = steady_load.under_load(
            f"http://127.0.0.1:{stack.port}",
            "localhost",
            lambda: stack.manage("stack_local", "reload", STACK_POOL_SIZE="9"),
        )
        assert done.returncode == 0, done.stderr
        assert settings(stack) == (
            "21",
            "9",
            "transaction",
        )  # 9 in the pool, 2 in reserve, 6 direct, the exporter's, 3 of superusers
        samples = scraped(stack)
        assert up(samples) == SOURCES, "the exporter sees it at its next scrape"
        assert of(samples, "plan_pool_size", 'database="app"') == 9
        assert of(samples, "pgbouncer_setting", 'name="default_pool_size"') == 9
        after = stack.servers()
        assert {name for name in after if after[name] != before[name]} == {"postgres"}
        assert not daemons & {process.pid for process in stack.daemons()}
        proven = stack.manage("stack_verify")
        assert proven.returncode == 0, proven.stdout

        again = stack.manage("stack_local", "reload", STACK_POOL_SIZE="9")
        assert (again.returncode, again.stdout) == (
            0,
            "unchanged the running stack matches the inputs\n",
        )
        assert stack.manage("stack_local", "up", STACK_POOL_SIZE="9").returncode == 0
        assert stack.servers() == after
    finally:
        assert stack.manage("stack_local", "up").returncode == 0


def test_what_apache_reads_at_its_start_is_refused(stack: LocalStack) -> None:
    before = state(stack)
    done = stack.manage("stack_local", "reload", STACK_THREADS="3")
    assert done.returncode == 2
    assert done.stderr.startswith(f"reload: {stack.directory}/conf/apache/")
    assert "Apache reads it only when it starts: `make up` restarts the stack" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert state(stack) == before


def test_a_file_that_was_rendered_after_apache_read_it_is_refused(stack: LocalStack) -> None:
    read = {path: path.stat() for path in (stack.directory / "conf/apache").iterdir()}
    try:
        assert stack.manage("stack_render", STACK_THREADS="3").returncode == 0
        done = stack.manage("stack_local", "reload", STACK_THREADS="3")
        assert done.returncode == 2
        assert "differs from what Apache has read" in done.stderr
    finally:
        assert stack.manage("stack_render").returncode == 0
        for path, before in read.items():
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize(
    ("name", "line", "complaint"),
    [
        (
            "pgbouncer.ini",
            "defualt_pool_size = 9",
            "unknown parameter: pgbouncer/defualt_pool_size",
        ),
        (
            "pgbouncer.ini",
            "pool_mode = session",
            "pool_mode: planned 'transaction', live 'session'",
        ),
        ("hba.conf", "local app app nonsense", "hba line"),
        ("pgstack.conf", "wrok_mem = 4MB", 'unrecognized configuration parameter "wrok_mem"'),
    ],
)
def test_a_mistake_is_met_before_it_is_there(
    stack: LocalStack, name: str, line: str, complaint: str
) -> None:
    before, ran = state(stack), settings(stack)
    done = reload_with(stack, name, line)
    assert done.returncode == 2, done.stdout
    assert complaint in done.stderr
    assert "Nothing was changed." in done.stderr
    assert (state(stack), settings(stack)) == (before, ran)
    assert not (stack.directory / "trial").exists()


@pytest.mark.parametrize(
    ("name", "line", "complaint"),
    [
        (
            "pg_hba.conf",
            "local all all nonsense",
            'pg_hba.conf line 7: invalid authentication method "nonsense"',
        ),
        (
            "pgstack.conf",
            "unix_socket_directories = '/nonexistent'",
            "PostgreSQL: not there after 5 s.",
        ),
    ],
)
def test_what_only_the_running_server_refuses_is_taken_back(
    stack: LocalStack, name: str, line: str, complaint: str
) -> None:
    files, ran = {path: text for path, (text, _) in state(stack)[0].items()}, settings(stack)
    done = reload_with(stack, name, line)
    assert done.returncode == 2, done.stdout
    assert complaint in done.stderr
    assert done.stderr.endswith("The previous configuration is in force again.\n")
    assert {path: text for path, (text, _) in state(stack)[0].items()} == files
    assert settings(stack) == ran
    proven = stack.manage("stack_verify")
    assert proven.returncode == 0, proven.stdout
    done = stack.manage("stack_local", "reload")
    assert done.stdout == "unchanged the running stack matches the inputs\n", done.stderr


def test_a_stack_that_does_not_run_cannot_be_reloaded(unused: LocalStack) -> None:
    done = unused.manage("stack_local", "reload")
    assert done.returncode == 2
    assert "reload: the stack does not run. Start it with `make up`" in done.stderr
    assert unused.entries() == []
