"""The exporter on a host: figures of every server and of what root finds out, in a unit from which
whoever takes it over reaches nothing."""

from __future__ import annotations

import json
import re
import subprocess
import time

import faults
import pytest
from clients import answers
from systemd_host import SystemdHost

from fixtures.receivers import wait
from pgstack.metrics import exporter

pytestmark = pytest.mark.host

PORT = 8400
SOCKET = "/run/stack/metrics/metrics.sock"
UP = re.compile(r'^pgstack_up\{source="(\w+)"\} (\S+)', re.MULTILINE)
UNTIL_SEEN_SECONDS = 15
ELSEWHERE = {
    "pgstack_postgresql_replication_lag_bytes",
    "pgstack_postgresql_replication_lag_seconds",
    "pgstack_postgresql_slot_active",
    "pgstack_postgresql_slot_kept_bytes",
    "pgstack_postgresql_standby_seconds",
    "pgstack_postgresql_archive_failed_timestamp_seconds",
    "pgstack_certificate_expiry_timestamp_seconds",
}
"""what one host without TLS has nothing to say of: standbys, a failure that was not there, a
certificate"""
LATER = {
    "pgstack_backup_timestamp_seconds",
    "pgstack_drill_timestamp_seconds",
    "pgstack_drill_passed",
}
"""what is told once there was a backup, and a drill"""
OUTSIDE = (
    "/etc/x",
    "/srv/x",
    "/tmp/x",
    "/var/tmp/x",
    "/var/lib/x",
    "/run/x",
    "/dev/shm/x",
    "/run/stack/x",
    "/run/stack/measures/process-0",
    "/var/lib/stack-facts/verify.json",
)
"""where nothing may be written"""
SECRET = (
    "/etc/stack-secrets",
    "/etc/stack-tls",
    "/etc/pgbackrest",
    "/etc/stack-database",
    "/var/lib/postgresql",
    "/var/lib/pgbackrest",
    "/var/lib/stack-media",
    "/var/log/stack",
    "/var/cache/stack",
)
"""what nobody lists from there"""


def scraped(host: SystemdHost) -> str:
    """What a Prometheus on the host gets."""
    return host.run(
        "python3",
        "-c",
        f"import urllib.request as r; print(r.urlopen('http://127.0.0.1:{PORT}/metrics').read().decode())",
    ).stdout


def number(text: str, name: str) -> float:
    """Of a metric without labels."""
    (value,) = re.findall(rf"^{name} (\S+)$", text, re.MULTILINE)
    return float(value)


def process(host: SystemdHost) -> str:
    """Number of the exporter's process."""
    show = ("systemctl", "show", "--property=MainPID", "--value", "stack-metrics.service")
    return host.run(*show).stdout.strip()


def inside(host: SystemdHost, script: str) -> subprocess.CompletedProcess[str]:
    """As whoever took the exporter over: its account, with the group that the unit adds, where its
    process sees files."""
    groups = ("--regid=sockets", "--groups=metrics", "--bounding-set=-all", "--no-new-privs")
    place = ("nsenter", f"--target={process(host)}", "--mount", "setpriv", "--reuid=metrics")
    return host.run(*place, *groups, "sh", "-c", script, check=False)


def asked(host: SystemdHost, words: str) -> str:
    """What psql says there."""
    done = inside(host, f"psql -XqAt -P pager=off {words}")
    return done.stdout + done.stderr


def test_every_source_answers(site: SystemdHost) -> None:
    site.page("/db")
    # What a request took is written once it has ended, and a scrape's answer is kept for a moment.
    wait(lambda: number(scraped(site), "pgstack_wsgi_statements_sum") >= 1, 10, "request")
    text = scraped(site)
    assert dict(UP.findall(text)) == dict.fromkeys(
        ("plan", "machine", "postgresql", "pgbouncer", "apache", "site", "wsgi", "facts"), "1.0"
    )
    assert number(text, "pgstack_wsgi_processes") == number(text, "pgstack_plan_processes")
    assert number(text, "pgstack_postgresql_max_connections") == (
        number(text, "pgstack_plan_postgresql_connections")
    )


def test_a_host_has_every_metric_that_there_is(site: SystemdHost) -> None:
    """Rules for alerts are the same text on every target."""
    families = set(re.findall(r"^# TYPE (\S+) ", scraped(site), re.MULTILINE))
    declared = {metric.name for metric in exporter.declared()}
    wanted = {name for name in declared if not re.search("cluster_|balancer_", name)}
    assert families <= wanted
    assert wanted - families <= ELSEWHERE | LATER


def test_it_knows_what_root_finds_out(site: SystemdHost) -> None:
    begun = float(site.now())
    assert site.run("stackctl", "verify").returncode == 0
    site.run("stackctl", "facts")
    text = scraped(site)
    assert number(text, "pgstack_verify_passed") == 1
    assert begun - 1 <= number(text, "pgstack_verify_timestamp_seconds") <= float(site.now())
    (release,) = re.findall(
        r'^pgstack_release_timestamp_seconds\{release="(\S+)"\}', text, re.MULTILINE
    )
    assert release in site.releases()
    kept = json.loads(
        site.run(
            "runuser",
            "-u",
            "postgres",
            "--",
            "pgbackrest",
            "--stanza=stack",
            "--output=json",
            "info",
        ).stdout
    )
    if kept[0]["backup"]:
        last = kept[0]["backup"][-1]["timestamp"]["stop"]
        assert number(text, "pgstack_backup_timestamp_seconds") == last


def test_a_verify_that_fails_is_told(site: SystemdHost) -> None:
    """A file that is not as rendered; a server need not be changed for it."""
    hba = "/etc/stack/pgbouncer/hba.conf"
    site.run("sh", "-c", f"cp -p {hba} /run/kept; echo '# other' >> {hba}")
    try:
        assert site.run("stackctl", "verify", check=False).returncode == 1
        assert number(scraped(site), "pgstack_verify_passed") == 0
    finally:
        site.run("mv", "/run/kept", hba)
    assert site.run("stackctl", "verify").returncode == 0
    assert number(scraped(site), "pgstack_verify_passed") == 1


def test_nobody_outside_of_the_host_reaches_it(site: SystemdHost) -> None:
    listening = site.run("ss", "-Htln", f"sport = :{PORT}").stdout.split()
    assert listening[3] == f"127.0.0.1:{PORT}"
    assert answers(site.address(), 80)
    assert not answers(site.address(), PORT)
    assert site.run("stat", "-c", "%a %U %G", SOCKET).stdout == "660 metrics sockets\n"
    assert site.run("runuser", "-u", "nobody", "--", "test", "-e", SOCKET, check=False).returncode


def test_a_browser_that_was_led_there_gets_nothing(site: SystemdHost) -> None:
    ask = "import http.client as h; c = h.HTTPConnection('127.0.0.1', {}); "
    ask += "c.request('GET', '/metrics', headers={{'Host': '{}'}}); print(c.getresponse().status)"
    for name, status in (("evil.example", "404"), (f"localhost:{PORT}", "200")):
        assert site.run("python3", "-c", ask.format(PORT, name)).stdout.strip() == status


@pytest.mark.parametrize("place", OUTSIDE)
def test_whoever_takes_it_over_writes_nowhere(site: SystemdHost, place: str) -> None:
    assert inside(site, f": > {place}").returncode, place


def test_whoever_takes_it_over_reads_no_secret(site: SystemdHost) -> None:
    for place in SECRET:
        assert inside(site, f"ls {place}").returncode, place
        asked = site.run("runuser", "-u", "metrics", "--", "touch", f"{place}/x", check=False)
        assert asked.returncode, place
    assert inside(site, "ls /run/stack/metrics").stdout == "metrics.sock\n"
    assert inside(site, "cp /bin/true /run/stack/metrics/t; /run/stack/metrics/t").returncode


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        ("-h /run/stack/postgres -U app_monitor app -c 'SELECT 1'", "1\n"),
        (
            "-h /run/stack/postgres -U app_monitor app -c 'SELECT * FROM public.world'",
            "permission denied",
        ),
        ("-h /run/stack/postgres -U app_monitor app -c 'SET ROLE app_owner'", "permission denied"),
        (
            "-h /run/stack/postgres -U app_monitor app -c \"COPY (SELECT 1) TO '/tmp/x'\"",
            "pg_write_server_files",
        ),
        ("-h /run/stack/postgres -U app app -c 'SELECT 1'", "Peer authentication failed"),
        ("-h /run/stack/postgres -U app_owner app -c 'SELECT 1'", "Peer authentication failed"),
        ("-h /run/stack/postgres -U postgres app -c 'SELECT 1'", "Peer authentication failed"),
        ("-h /run/stack/pooler -p 6432 -U {} pgbouncer -c 'SHOW POOLS'", "app"),
        ("-h /run/stack/pooler -p 6432 -U {} pgbouncer -c PAUSE", "admin access needed"),
        ("-h /run/stack/pooler -p 6432 -U {} app -c 'SELECT 1'", "FATAL"),
        ("-h /run/stack/pooler -p 6432 -U app app -c 'SELECT 1'", "FATAL"),
        ("-h /run/stack/pooler -p 6432 -U deploy pgbouncer -c 'SHOW POOLS'", "FATAL"),
    ],
)
def test_its_login_reads_no_row_and_becomes_nobody(
    site: SystemdHost, words: str, answer: str
) -> None:
    """PgBouncer of Debian 12 knows it by its account's name."""
    login = "app_monitor" if site.suite == "trixie" else "metrics"
    assert answer in asked(site, words.format(login))


def test_its_account_becomes_nobody_on_the_host(site: SystemdHost) -> None:
    for script in (
        "sudo -n true",
        "su -s /bin/sh app -c true",
        "setpriv --reuid=app true",
        "stackctl status",
    ):
        assert inside(site, script).returncode, script
    assert site.run("id", "-nG", "metrics").stdout.split() == ["metrics"]
    state = site.run("cat", f"/proc/{process(site)}/status").stdout
    for line in (
        "CapEff:\t0000000000000000",
        "CapBnd:\t0000000000000000",
        "NoNewPrivs:\t1",
        "Seccomp:\t2",
    ):
        assert line in state


def test_its_code_is_roots(site: SystemdHost) -> None:
    command = site.run("cat", f"/proc/{process(site)}/cmdline").stdout.split("\0")
    maps = site.run("cat", f"/proc/{process(site)}/maps").stdout
    files = {line.split()[-1] for line in maps.splitlines() if line.endswith(".so")}
    for file in (command[0], command[2], "/usr/local/lib/stack", *files):
        assert file.startswith("/usr/"), file
        assert site.run("stat", "-L", "-c", "%U", file).stdout == "root\n", file
        assert inside(site, f"test -w {file}").returncode, file


def test_one_that_is_killed_comes_back_and_one_that_is_stopped_is_told(site: SystemdHost) -> None:
    before = process(site)
    site.run("kill", "-KILL", before)
    deadline = time.monotonic() + UNTIL_SEEN_SECONDS
    while "metrics    runs\n" not in site.run("stackctl", "status", check=False).stdout:
        assert time.monotonic() < deadline
        time.sleep(0.5)
    assert process(site) not in ("0", before)


def test_one_number_leads_through_the_logs_of_a_host(site: SystemdHost) -> None:
    mark = f"mark={time.time_ns()}"
    with faults.locked(site, 3):
        site.page(f"/updates?n=1&{mark}")
    log = site.run("cat", "/var/log/stack/apache-access.log").stdout.splitlines()
    (line,) = [json.loads(entry) for entry in log if mark in entry]
    said = site.run("stackctl", "trace", line["id"]).stdout
    assert re.search(rf"  request  .*GET /updates\?n=1&{mark}", said)
    assert re.search(r"  postgres  .*still waiting for ShareLock", said)
    assert f"/*id='{line['id']}'*/" in said
    assert site.run("stackctl", "trace", "nobody", check=False).returncode == 2
