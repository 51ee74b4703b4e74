"""One request in the logs of Apache, the web processes and PostgreSQL; and lines of the access log
that are JSON whatever a client sends."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
import requests

from fixtures.local_stack import LocalStack
from fixtures.raw_http import exchange

pytestmark = pytest.mark.integration

STREAM, SEED = 400, 5
WAITS = "SELECT wait_event FROM pg_stat_activity WHERE state = 'active'"
ODD = "é\" \\'\u2028{}%\n\t\x7f\x00/*';--<>"
"""what clients send who want to break a log"""


def access_log(stack: LocalStack) -> list[str]:
    return (stack.directory / "log/apache-access.log").read_text().splitlines()


def line_of(stack: LocalStack, path: str) -> dict[str, Any]:
    """The last line about it."""
    lines: list[dict[str, Any]] = []

    def look() -> bool:
        said = map(json.loads, access_log(stack))
        lines.extend(line for line in said if f" {path} " in line["request"])
        return bool(lines)

    stack.wait_until(look, 5)
    return lines[-1]


def test_a_line_has_the_number_and_where_the_time_went(stack: LocalStack) -> None:
    answer = requests.get(f"{stack.url}/queries?n=3&mark=times", timeout=10)
    line = line_of(stack, "/queries?n=3&mark=times")
    assert not [name for name in answer.headers if name.startswith("X-Stack")]
    assert (line["client"], line["status"]) == ("127.0.0.1", 200)
    assert line["bytes"] == len(answer.content)
    queue, application, database, statements = line["measured"]
    assert 0 < database < application < line["us"]
    assert 0 <= queue < line["us"]
    assert statements == 3
    assert len(line["id"]) > 8


@pytest.mark.parametrize(("path", "status"), [("/nowhere", 404), ("/queries?n=x", 200)])
def test_who_asks_is_told_nothing_of_it(stack: LocalStack, path: str, status: int) -> None:
    answer = requests.get(f"{stack.url}{path}", timeout=10)
    assert answer.status_code == status
    assert not [name for name in answer.headers if name.startswith("X-Stack")]
    assert line_of(stack, path)["measured"][1] > 0


def test_a_line_about_a_file_has_no_times(stack: LocalStack) -> None:
    requests.get(f"{stack.url}/static/nowhere.css", timeout=10)
    assert "measured" not in line_of(stack, "/static/nowhere.css")


def test_one_number_leads_through_three_logs(stack: LocalStack) -> None:
    held = "BEGIN; UPDATE world SET randomnumber = 1; SELECT pg_sleep(2); ROLLBACK"
    with stack.psql(held) as lock:
        stack.wait_until(lambda: "PgSleep" in stack.sql(WAITS), 5)
        requests.get(f"{stack.url}/updates?n=1&mark=locked", timeout=20)
        lock.wait()
    number = line_of(stack, "/updates?n=1&mark=locked")["id"]
    done = stack.manage("stack_trace", number)
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    assert any("  request  " in line and "GET /updates?n=1&mark=locked" in line for line in said)
    waited = [line for line in said if "still waiting for ShareLock on transaction" in line]
    assert "  postgres  " in waited[0]
    assert f"/*id='{number}'*/" in done.stdout
    assert " duration: " in done.stdout
    assert "Index Scan using world_pkey on world" in done.stdout
    times = [line[:12] for line in said if line[:1].isdigit()]
    assert times == sorted(times)


def test_what_the_project_says_of_a_request_has_its_number(
    stack: LocalStack,
) -> None:
    requests.post(f"{stack.url}/ledger/transfers", data="{", timeout=10)
    line = line_of(stack, "/ledger/transfers")
    done = stack.manage("stack_trace", line["id"])
    assert "POST /ledger/transfers" in done.stdout


@pytest.mark.parametrize("number", ["' OR 1=1", "x", "../../etc/passwd"])
def test_no_number_is_refused(stack: LocalStack, number: str) -> None:
    done = stack.manage("stack_trace", number)
    assert (done.returncode, done.stdout) == (2, "")
    assert "not a request ID" in done.stderr


def test_a_number_that_no_log_has_is_told(stack: LocalStack) -> None:
    done = stack.manage("stack_trace", "AAAAAAAAAAA")
    assert done.returncode == 2
    assert "no log has it" in done.stderr


def test_each_line_is_json_whatever_is_sent(stack: LocalStack) -> None:
    chance = random.Random(SEED)
    before = len(access_log(stack))
    for _ in range(STREAM):
        exchange(stack.port, a_request(chance))
    requests.get(f"{stack.url}/plain?mark=last", timeout=10)
    line_of(stack, "/plain?mark=last")
    lines = access_log(stack)[before:]
    assert len(lines) > STREAM / 10  # what has no name in it that Apache understands is not logged
    for line in lines:
        said = json.loads(line)
        assert set(said) >= {"time", "id", "client", "request", "status", "bytes", "us"}
        assert said["status"] != 500
    assert any("%c3" in line for line in lines)
    assert any("%22" not in line and '\\"' in line for line in lines)


def a_request(chance: random.Random) -> bytes:
    """A line with odd characters in method, address, query, version, names and values."""
    odd = [character.encode() for character in ODD] + [bytes([chance.randrange(256)])]

    def some(usual: bytes) -> bytes:
        return usual + b"".join(chance.choices(odd, k=chance.choice((0, 0, 1, 3))))

    method, path = some(b"GET"), some(b"/plain")
    query, version = some(b"?a="), chance.choice((b"HTTP/1.1", b"HTTP/1.0", some(b"HTTP/1.1"), b""))
    head = b"\r\n".join(
        (b"Host: localhost", b"User-Agent: " + some(b"x"), b"Referer: " + some(b"y"))
    )
    line = b" ".join((chance.choice((b"GET", b"GET", method)), path + query, version))
    return line + b"\r\n" + head + b"\r\nConnection: close\r\n\r\n"


@pytest.mark.slow
def test_the_combined_format_is_there_on_request(unused: LocalStack) -> None:
    done = unused.manage("stack_local", "up", STACK_ACCESS_LOG="combined")
    assert done.returncode == 0, done.stderr
    requests.get(f"{unused.url}/plain", headers={"User-Agent": "me"}, timeout=10)
    log = Path(unused.directory, "log/apache-access.log")
    unused.wait_until(lambda: '"GET /plain HTTP/1.1" 200 ' in log.read_text(), 5)
    assert '"-" "me"' in log.read_text()
    answer = requests.get(f"{unused.url}/plain", timeout=10)
    assert not [name for name in answer.headers if name.startswith("X-Stack")]


def test_statements_are_counted_for_the_monitoring_role_alone(stack: LocalStack) -> None:
    requests.get(f"{stack.url}/db", timeout=10)
    asked = "SELECT count(*) > 0 FROM stack.pg_stat_statements WHERE query LIKE 'SELECT \"world\"%'"
    assert stack.sql(f"SET ROLE app_monitor; {asked}").splitlines()[-1] == "t"
    for role in ("app", "app_owner"):
        with pytest.raises(AssertionError):
            stack.sql(f"SET ROLE {role}; {asked}")
