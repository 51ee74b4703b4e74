"""What a person sees of a host: the page, the status and the advice."""

from __future__ import annotations

import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
from faults import locked
from systemd_host import INPUTS, SystemdHost
from tunnel import PORT, tunnel

from pgstack.live.probes.exporter import FILES

pytestmark = pytest.mark.host

SOCKET = "/run/stack/metrics/metrics.sock"
UNTIL_SEEN_SECONDS = 15


def test_the_page_is_at_the_end_of_a_tunnel_while_the_site_does_not_run(
    site: SystemdHost,
) -> None:
    (instance,) = re.findall(
        "^apache +instance ([ab])$", site.run("stackctl", "status").stdout, re.MULTILINE
    )
    site.run("systemctl", "stop", f"stack-apache@{instance}")
    try:
        with tunnel(site) as url:
            assert "Stack status" in requests.get(f"{url}/stack/", timeout=10).text
            for name in FILES:
                assert requests.get(f"{url}/stack/{name}", timeout=10).status_code == 200

            def down() -> list[str]:
                return list(requests.get(f"{url}/stack/figures.json", timeout=10).json()["down"])

            deadline = time.monotonic() + UNTIL_SEEN_SECONDS
            while "site" not in down():
                assert time.monotonic() < deadline
                time.sleep(0.5)
    finally:
        site.run("systemctl", "start", f"stack-apache@{instance}")


def test_no_account_of_a_service_sees_the_page(site: SystemdHost) -> None:
    ask = "import http.client as h; c = h.HTTPConnection('127.0.0.1', {}); "
    ask += "c.request('GET', '/stack/{}'); print(c.getresponse().status)"
    for account, status in (("root", "200"), ("app", "403"), ("build", "403"), ("nobody", "403")):
        for name in ("", "figures.json"):
            words = ("runuser", "-u", account, "--", "python3", "-c", ask.format(PORT, name))
            assert site.run(*words).stdout.strip() == status, account


def test_a_site_without_a_login_shows_it_by_a_signed_address(site: SystemdHost) -> None:
    address = site.run("stack-manage", "stack_page").stdout.strip()
    assert address.startswith(f"http://{site.name}/stack/?key=")
    with requests.Session() as visitor:
        visitor.headers["Host"] = site.name
        path = address.removeprefix(f"http://{site.name}")
        seen = visitor.get(f"{site.url}/stack/", timeout=10)
        assert seen.status_code == 403
        known = visitor.get(site.url + path, timeout=10, allow_redirects=False).cookies
        for name, words in (("", "Stack status"), ("figures.json", '"verdict"')):
            seen = visitor.get(f"{site.url}/stack/{name}", cookies=known, timeout=10)
            assert words in seen.text


def test_status_is_a_screen_that_names_who_blocks(site: SystemdHost) -> None:
    with locked(site), ThreadPoolExecutor(4) as visitors:
        asked_ = [visitors.submit(site.page, "/updates?n=1") for _ in range(4)]
        deadline = time.monotonic() + UNTIL_SEEN_SECONDS
        shown: dict[str, Any] = {}
        while "LocksBlock" not in [alert["name"] for alert in shown.get("alerts", ())]:
            assert time.monotonic() < deadline, shown
            shown = json.loads(site.run("stackctl", "status", "--json", check=False).stdout)
        for future in asked_:
            future.exception()
    assert shown["blocker"]["role"] == "postgres"
    assert shown["blocker"]["waiters"] >= 1
    assert shown["next"].startswith(f"SELECT pg_cancel_backend({shown['blocker']['process']})")
    assert [server["name"] for server in shown["servers"]] == [
        "postgres",
        "pgbouncer",
        "apache",
        "metrics",
    ]
    assert {level["name"] for level in shown["full"]} == {
        "threads",
        "pool",
        "workers",
        "sessions",
        "memory",
        "disk",
    }
    assert {change["what"] for change in shown["changed"]} >= {"code", "inputs", "PostgreSQL"}
    assert (shown["target"], shown["unknown"]) == ("host", [])
    deadline, screen = time.monotonic() + UNTIL_SEEN_SECONDS, [""]
    # Until the exporter's next look, seconds later, the alert of the last one holds.
    while screen[-2:] != ["verdict    ok: all is well", "next       Nothing to do."]:
        assert time.monotonic() < deadline, screen
        screen = site.run("stackctl", "status", check=False).stdout.splitlines()
    assert len(screen) <= 24


VISITS = f"""
import http.client
for _ in range(250):
    asked = http.client.HTTPConnection("127.0.0.1", 80)
    asked.request("GET", "/db", headers={{"Host": "{INPUTS["hosts"][0]}"}})
    assert asked.getresponse().status == 200
"""


def test_advice_is_given_and_kept_for_root_alone(site: SystemdHost) -> None:
    deadline = time.monotonic() + 4 * UNTIL_SEEN_SECONDS
    while (done := site.run("stackctl", "advise", "--last=30", check=False)).returncode:
        assert "to judge by" in done.stderr
        assert time.monotonic() < deadline, done.stderr
        site.run("python3", "-c", VISITS)
    assert re.match(r"measured  \d+\.\d requests/s, p99 ", done.stdout)
    kept = site.run("stat", "-c", "%a %U", "/var/lib/stack-facts/advice.json").stdout
    assert kept == "600 root\n"
    checked = site.run("stackctl", "advise", "--check", "--last=30", check=False)
    assert checked.stdout.startswith("before    "), checked.stderr


HOSTILE = """\
import json, socketserver
TEXT = "# TYPE pgstack_up gauge\\n"
TEXT += 'pgstack_up{source="\\x1b]0;owned\\x07"} 0\\npgstack_up{source="a\\\\nverdict    ok: b"} 0\\n'
FALSE = {"name": "SiteDown", "text": "\\x1b[2J\\nnext       `rm -r /`", "state": "firing", "since": 1}
class Says(socketserver.StreamRequestHandler):
    def handle(self):
        page = b"figures" in self.rfile.readline()
        said = json.dumps({"alerts": [FALSE, 1]}) if page else TEXT
        self.wfile.write(b"HTTP/1.0 200 OK\\r\\n\\r\\n" + said.encode())
socketserver.UnixStreamServer("SOCKET", Says).serve_forever()
"""
DROP_IN = "/run/systemd/system/stack-metrics.service.d"


def test_whoever_takes_it_over_writes_nothing_on_roots_terminal(site: SystemdHost) -> None:
    code = HOSTILE.replace("SOCKET", SOCKET).replace("'", "'\\''")
    site.run("sh", "-c", f"mkdir -p {DROP_IN}; printf '%s' '{code}' > /usr/local/hostile.py")
    start = "[Service]\nExecStart=\nExecStart=/usr/bin/python3 /usr/local/hostile.py\n"
    site.run("sh", "-c", f"printf '{start}' > {DROP_IN}/hostile.conf; systemctl daemon-reload")
    try:
        site.run("systemctl", "restart", "stack-metrics")
        site.run("timeout", "10", "sh", "-c", f"until test -S {SOCKET}; do sleep 0.1; done")
        screen = site.run("stackctl", "status", check=False).stdout
    finally:
        site.run("sh", "-c", f"rm -r {DROP_IN} /usr/local/hostile.py; systemctl daemon-reload")
        site.run("systemctl", "restart", "stack-metrics")
    assert [letter for letter in screen if not letter.isprintable() and letter != "\n"] == []
    assert [line.split()[0] for line in screen.splitlines()].count("verdict") == 1
    assert screen.count("\nnext ") == 1
