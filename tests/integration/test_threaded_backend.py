"""The lab's pooling backend on real PostgreSQL: what a pool in the process has to get right."""

from __future__ import annotations

import json
import textwrap
from typing import Any

from fixtures.local_stack import CHECKOUT, LocalStack

PREAMBLE = """
import gc, json, subprocess, threading
from django.db import ProgrammingError, connection, connections, transaction
from loadtest.lab.backends.threaded import base

def pid():
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return cursor.fetchone()[0]

def free():
    return base._pools["default"]._free._value
"""


def answer(stack: LocalStack, code: str) -> Any:
    """What `code` prints as JSON, run with the backend's settings: a pool of four connections."""
    done = stack.manage(
        "shell",
        "-v",
        "0",
        "-c",
        PREAMBLE + textwrap.dedent(code),
        DJANGO_SETTINGS_MODULE="loadtest.lab.settings",
        LAB_STRATEGY="custom-backend",
        PYTHONPATH=str(CHECKOUT),
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_closed_connection_is_used_again(stack: LocalStack) -> None:
    first, second = answer(stack, "a = pid(); connection.close(); print(json.dumps([a, pid()]))")
    assert first == second


def test_an_open_transaction_does_not_reach_the_next_user(stack: LocalStack) -> None:
    answers = answer(
        stack,
        """
        connection.set_autocommit(False)
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = '1s'")
        a = pid()
        connection.close()
        with connection.cursor() as cursor:
            cursor.execute("SHOW statement_timeout")
            print(json.dumps([pid() == a, cursor.fetchone()[0]]))
        """,
    )
    assert answers == [True, "20s"]


def test_a_connection_that_the_server_ended_is_replaced(stack: LocalStack) -> None:
    answers = answer(
        stack,
        """
        a = pid()
        connection.close()
        pool = base._pools["default"]
        idle, other = pool.take(), pool.take()
        where = ["-h", connections["direct"].settings_dict["HOST"], "-U", "postgres", "-d", "app"]
        end = f"SELECT pg_terminate_backend({a}, 5000)"
        subprocess.run(["psql", "-Xq", *where, "-c", end], check=True, capture_output=True)
        pool.give(other)
        pool.give(idle)  # the last one in is the first one out
        b = pid()
        connection.close()
        print(json.dumps([a != b, free()]))
        """,
    )
    assert answers == [True, 4]


def test_a_connection_that_breaks_in_use_gives_its_place_back(stack: LocalStack) -> None:
    answers = answer(
        stack,
        """
        a = pid()
        connection.connection.close()
        connection.close()
        print(json.dumps([pid() != a, free()]))
        """,
    )
    assert answers == [True, 3]


def test_a_thread_that_ends_without_closing_gives_its_connection_back(stack: LocalStack) -> None:
    answers = answer(
        stack,
        """
        for _ in range(9):
            thread = threading.Thread(target=pid)
            thread.start(); thread.join()
            gc.collect()
        print(json.dumps(free()))
        """,
    )
    assert answers == 4


def test_close_within_a_transaction_does_not_share_the_connection(stack: LocalStack) -> None:
    answers = answer(
        stack,
        """
        try:
            with transaction.atomic():
                pid()
                connection.close()
                pid()
        except ProgrammingError:
            refused = True
        print(json.dumps([refused, bool(pid()), free()]))
        """,
    )
    assert answers == [True, True, 3]


def test_more_threads_than_connections_wait_and_all_are_served(stack: LocalStack) -> None:
    answers = answer(
        stack,
        """
        pids = []
        def work():
            for _ in range(20):
                pids.append(pid()); connection.close()
        threads = [threading.Thread(target=work) for _ in range(12)]
        [thread.start() for thread in threads]; [thread.join() for thread in threads]
        print(json.dumps([len(pids), len(set(pids)) <= 4, free()]))
        """,
    )
    assert answers == [240, True, 4]
