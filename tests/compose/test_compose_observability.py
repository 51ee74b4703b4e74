"""Prometheus, Alertmanager and the node exporter in a container: nothing of it unless asked; then an
alert and its end reach receivers, and no page reaches any of it."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from compose_stack import ComposeStack

from fixtures import told
from fixtures.receivers import Receivers, wait

pytestmark = [pytest.mark.compose, pytest.mark.slow, pytest.mark.timeout(900)]

SERVICE, FILE = "observability", "/tmp/told"
HTTP, SMTP = 9990, 9991
PORTS = {8400, 9090, 9093, 9100}
REACH = """
import socket, sys
for port in sys.argv[2:]:
    with socket.socket() as client:
        client.settimeout(2)
        print(port, client.connect_ex((sys.argv[1], int(port))) == 0)
"""

TOLD = """
import sys
from pgstack.live.probes import answers
answer = answers.ask("test", sys.argv[1], sys.argv[2], 10)
print(answer.status, answer.body.decode())
"""
EXPORTER, HISTORY = "/run/stack/metrics/metrics.sock", "/run/stack/history/history.sock"
CHECK = "Prometheus watches everything"


@pytest.fixture(scope="module")
def watched(
    compose_stack: ComposeStack, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ComposeStack]:
    """The stack with it, and with receivers in its network; at its end without."""
    assert not compose_stack.container(SERVICE)
    place = tmp_path_factory.mktemp("secrets")
    named = {"STACK_OBSERVABILITY": "full"}
    for name in ("webhook", "watchdog"):
        (place / name).write_text(f"http://127.0.0.1:{HTTP}/{name}\n")
        (place / name).chmod(0o644)
        named[f"STACK_ALERT_{name.upper()}_FILE"] = str(place / name)
    os.chmod(place, 0o755)  # noqa: PTH101 - the container's account reads there
    own = compose_stack.with_inputs(
        {
            **named,
            "STACK_ALERT_MAIL": "ops@shop.example",
            "STACK_ALERT_SMTP": f"127.0.0.1:{SMTP}",
        }
    )
    own.up("--build")
    receive(own)
    yield own
    compose_stack.up()
    # What was rendered stays where nobody reads it; another test looks at all of it.
    remove = ("run", "--rm", "--no-deps", "--no-TTY", "--entrypoint=rm", "configure")
    compose_stack.compose(*remove, "-r", "/etc/stack/observability")
    assert not compose_stack.container(SERVICE)
    compose_stack.wait_until_steady()


def receive(stack: ComposeStack) -> None:
    """Start the receivers in its container."""
    program = Path(told.__file__).read_text()
    words = ("python", "-c", program, str(HTTP), str(SMTP), FILE)
    stack.run("docker", "exec", "--detach", stack.container(SERVICE), *words)


@pytest.fixture(scope="module")
def receivers(watched: ComposeStack) -> Receivers:
    def read() -> str:
        return watched.execute(SERVICE, "cat", FILE, check=False).stdout

    return Receivers(read, "/webhook")


def query(stack: ComposeStack, expression: str) -> list[Any]:
    words = ("promtool", "query", "instant", "-o", "json", "http://127.0.0.1:9090", expression)
    result: list[Any] = json.loads(stack.execute(SERVICE, *words).stdout)
    return result


def test_it_is_shut_in_and_no_page_reaches_it(watched: ComposeStack) -> None:
    container = watched.inspect(SERVICE)
    host = container["HostConfig"]
    assert (host["ReadonlyRootfs"], host["CapDrop"], host["PortBindings"]) == (True, ["ALL"], {})
    listing = watched.run("docker", "top", watched.container(SERVICE), "-eo", "pid,uid")
    assert {line.split()[1] for line in listing.stdout.splitlines()[1:]} == {"5010"}
    (network,) = container["NetworkSettings"]["Networks"].values()
    asked = ("python", "-c", REACH, network["IPAddress"], *map(str, sorted(PORTS)))
    for service in ("web", "background"):
        told = watched.execute(service, *asked).stdout.split()
        assert told[1::2] == ["False"] * len(PORTS), service
    here = ("python", "-c", REACH, "127.0.0.1", *map(str, sorted(PORTS)))
    assert watched.execute("web", *here).stdout.split()[1::2] == ["False"] * len(PORTS)
    assert watched.execute(SERVICE, *here).stdout.split()[1::2] == ["True"] * len(PORTS)


def test_all_that_is_asked_answers(watched: ComposeStack) -> None:
    wait(lambda: len(query(watched, "up == 1")) == 4, 60, "answer of all targets")
    assert query(watched, "node_filesystem_avail_bytes")
    assert query(watched, 'pgstack_up{source="postgresql"} == 1')
    rows = watched.run("make", "-s", "status", "TARGET=compose").stdout.splitlines()
    assert any(row.split() == [SERVICE, "running"] for row in rows)


def test_an_alert_and_its_end_reach_the_receivers(
    watched: ComposeStack, receivers: Receivers
) -> None:
    watched.compose("stop", "pgbouncer")
    fired = wait(lambda: bool(receivers.seen("PgBouncerDown")), 180, "alert")
    wait(lambda: "PgBouncerDown" in str(receivers.came("mail")), 30, "mail")
    watched.compose("start", "pgbouncer")
    ended = wait(lambda: "resolved" in receivers.seen("PgBouncerDown"), 150, "end")
    print(f"PgBouncerDown came after {fired:.0f} s, its end {ended:.0f} s")
    wait(lambda: len(receivers.came("/watchdog")) > 1, 300, "second sign of life")
    assert not receivers.seen("Watchdog")


def test_it_takes_as_much_as_was_planned(watched: ComposeStack) -> None:
    status = watched.execute(SERVICE, "sh", "-c", "cat /proc/[0-9]*/status").stdout
    most = [int(size) for size in re.findall(r"^VmHWM:\s*(\d+) kB", status, re.MULTILINE)]
    assert 100_000 < sum(most) < 256 * 1024


def asked(stack: ComposeStack, service: str, socket: str, target: str) -> tuple[int, str]:
    """Status and body of what a socket there answers."""
    status, _, body = stack.execute(service, "python", "-c", TOLD, socket, target).stdout.partition(
        " "
    )
    return int(status), body


def test_the_page_has_days_and_takes_no_other_question(watched: ComposeStack) -> None:
    def cpu() -> list[Any]:
        status, body = asked(watched, "web", EXPORTER, "/stack/history.json?range=6h")
        assert status == 200, body
        return list(json.loads(body)["lines"]["cpu"])

    wait(lambda: cpu()[-1] is not None, 60, "line of Prometheus")
    for range_ in ("", "1h", "6h%20or%20up"):
        target = f"/stack/history.json?query=up&range={range_}"
        assert asked(watched, "web", EXPORTER, target)[0] == 404
    assert watched.execute("web", "ls", HISTORY, check=False).returncode
    for path in ("/api/v1/query?query=up", "/metrics", "/-/quit", "/stack/"):
        assert asked(watched, "metrics", HISTORY, path)[0] == 404


def verified(stack: ComposeStack) -> dict[str, Any]:
    """What stack_verify says of it."""
    words = ("run", "--rm", "--no-deps", "--no-TTY", "manage", "stack_verify", "--json")
    rows = json.loads(stack.compose(*words, check=False).stdout)
    (row,) = [row for row in rows if row["check"] == CHECK]
    return dict(row)


def test_verify_proves_that_it_watches_as_planned(watched: ComposeStack) -> None:
    finding = verified(watched)
    assert finding["detail"] == (
        "ports 9090, 9093, 9100 on the loopback address; 4 targets up; 33 rules; keeps 15d, 1GB"
    )
    assert finding["holds"]


def test_verify_sees_what_is_not_as_planned(watched: ComposeStack) -> None:
    rules = "sed -i 's/5e8/6e8/' /run/stack/observability/alerts.yml"
    watched.execute(SERVICE, "sh", "-c", f"{rules} && kill -HUP $(pidof prometheus)")
    open_ = ("python", "-m", "http.server", "9999")
    watched.run("docker", "exec", "--detach", watched.container(SERVICE), *open_)
    watched.compose("stop", "metrics")
    try:
        wait(lambda: not query(watched, 'up{job="pgstack"} == 1'), 60, "scrape that fails")
        finding = verified(watched)
    finally:
        watched.compose("start", "metrics")
    assert finding["holds"] is False
    assert finding["detail"].split("; ") == [
        "127.0.0.1:8400 does not answer Prometheus (down)",
        "port 9999 is open at 0.0.0.0",
        "rule TransactionIdsAge is another",
    ]


def reload(stack: ComposeStack) -> subprocess.CompletedProcess[str]:
    return stack.run("/usr/bin/python3", "-B", "tools/compose_reload.py", check=False)


def test_a_receiver_that_cannot_be_used_is_refused(watched: ComposeStack, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "webhook").write_text("hooks.example/T1\n")
    before = watched.container(SERVICE)
    done = reload(watched.with_inputs({"STACK_ALERT_WEBHOOK_FILE": str(tmp_path / "webhook")}))
    assert done.returncode, done.stdout
    assert "STACK_ALERT_WEBHOOK_FILE=/run/secrets/alert_webhook" in done.stderr
    assert "T1" not in done.stderr
    assert watched.container(SERVICE) == before
    assert reload(watched).stdout.startswith("unchanged")


def test_reload_brings_other_receivers_and_thresholds_into_force(
    watched: ComposeStack, receivers: Receivers, tmp_path: Path
) -> None:
    for parent in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        parent.chmod(0o755)
    (tmp_path / "watchdog").write_text(f"http://127.0.0.1:{HTTP}/elsewhere\n")
    (threshold,) = query(watched, "pgstack_plan_queue_timeout_seconds")
    changed = watched.with_inputs(
        {
            "STACK_ALERT_WATCHDOG_FILE": str(tmp_path / "watchdog"),
            "STACK_ALERT_MAIL": "night@shop.example",
            "STACK_REQUEST_TIMEOUT": "20",
        }
    )
    done = reload(changed)
    assert done.returncode == 0, done.stderr
    assert "restarted Prometheus and Alertmanager" in done.stdout
    receive(changed)
    said = changed.execute(SERVICE, "cat", "/run/stack/observability/alertmanager.yml").stdout
    assert "night@shop.example" in said

    def other() -> bool:
        samples = query(changed, "pgstack_plan_queue_timeout_seconds")
        return bool(samples) and samples[0]["value"][1] != threshold["value"][1]

    wait(other, 60, "other threshold")
    wait(lambda: bool(receivers.came("/elsewhere")), 180, "sign of life at the other receiver")
    assert reload(changed).stdout.startswith("unchanged")
    assert verified(changed)["holds"]
