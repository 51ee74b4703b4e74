"""A host whose Debian is newer than its PostgreSQL, as after an upgrade of Debian, and data of all
kinds in it."""

from __future__ import annotations

import subprocess
from typing import Any

from host_database import sql
from systemd_host import INPUTS, SystemdHost

from fixtures.releases import NEWEST, NEWEST_POSTGRESQL, RELEASES

OLDER = RELEASES[NEWEST - 1]
OLD, NEW = OLDER.postgresql, NEWEST_POSTGRESQL
OLD_INPUTS: dict[str, Any] = {**INPUTS, "postgresql": OLD, "request_timeout": 120}
NEW_INPUTS: dict[str, Any] = {**OLD_INPUTS, "postgresql": NEW}
PACKAGES = f"""
cd /etc/apt
cat sources.list sources.list.d/* 2> /dev/null | sed 's/{RELEASES[NEWEST].suite}/{OLDER.suite}/g' > /root/older
ext=list; grep -q '^Types:' /root/older && ext=sources
cp /root/older sources.list.d/older.$ext
printf 'Package: *\\nPin: release n={OLDER.suite}\\nPin-Priority: 100\\n' > preferences.d/older
apt-get update -qq
"""
"""what an upgrade of Debian leaves installed comes from there"""
DATA = """
CREATE EXTENSION citext; CREATE EXTENSION hstore; CREATE EXTENSION pg_trgm;
CREATE COLLATION own (provider = icu, locale = 'sv');
CREATE TABLE customer (number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, mail citext UNIQUE,
    name text COLLATE "de-x-icu", title text COLLATE own, tags hstore);
CREATE INDEX customer_name ON customer (name);
CREATE INDEX customer_title ON customer (title);
CREATE INDEX customer_words ON customer USING gin (name gin_trgm_ops);
INSERT INTO customer (mail, name, title, tags)
    SELECT 'M' || n, chr(192 + n % 60) || n, chr(192 + n % 60), hstore('a', n::text) FROM generate_series(1, 20000) AS n;
CREATE SEQUENCE ticket INCREMENT 5 START 100; SELECT nextval('ticket') FROM generate_series(1, 7);
CREATE MATERIALIZED VIEW busy AS SELECT count(*) AS many FROM customer;
CREATE TABLE event (at date, what text) PARTITION BY RANGE (at);
CREATE TABLE event_now PARTITION OF event DEFAULT; INSERT INTO event SELECT now(), 'x' FROM generate_series(1, 100);
SELECT lo_from_bytea(424242, decode(repeat('ab', 5000), 'hex'));
"""


FACTS = (
    "SELECT (SELECT count(*) FROM customer), (SELECT many FROM busy), "
    "(SELECT count(*) FROM event), (SELECT md5(lo_get(424242))), "
    "(SELECT count(*) FROM customer WHERE tags ? 'a' AND mail LIKE 'm1%')"
)

UNIT = "stack-upgrade.service"
WAIT_SECONDS = 90


def make_older(host: SystemdHost) -> None:
    """Have the older PostgreSQL serve the site, with data."""
    host.run("sh", "-ec", PACKAGES)
    host.played("site.yml", stack_inputs=OLD_INPUTS)
    script = ["runuser", "-u", "postgres", "--", "psql", "--host=/run/stack/postgres", "-qAt"]
    host.run(*script, "--set=ON_ERROR_STOP=1", f"--command={DATA}", "app")


def more_tables(host: SystemdHost, count: int) -> None:
    """So many tables, each with an index."""
    words = "format('CREATE TABLE t%s (a int PRIMARY KEY, b text)', n)"
    sql(host, f"DO $$ BEGIN FOR n IN 1..{count} LOOP EXECUTE {words}; END LOOP; END $$")


def version(host: SystemdHost) -> int:
    """Major version that serves."""
    return int(sql(host, "SHOW server_version_num")) // 10000


def facts(host: SystemdHost) -> str:
    """What must be the same in either version."""
    return sql(host, FACTS)


def left_behind(host: SystemdHost) -> str:
    """Scratch servers, their data, slots, and marks."""
    find = "ls -d /var/lib/postgresql/upgrade /var/lib/postgresql/*/main.* /etc/stack/upgrade/hold"
    there = host.run("sh", "-c", f"{find} 2> /dev/null; pgrep -af [m]ain.upgrade || true").stdout
    return there + sql(host, "SELECT slot_name FROM pg_replication_slots")


def cut_off(host: SystemdHost, condition: str, *words: str) -> None:
    """Kill the upgrade as soon as the condition holds."""
    with subprocess.Popen(
        ["docker", "exec", host.container, "stackctl", "upgrade", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        kill = f"until {condition}; do sleep 0.05; done; systemctl kill --signal=KILL {UNIT}"
        host.run("timeout", str(WAIT_SECONDS), "sh", "-c", f"({kill}) > /dev/null")
        _, complained = running.communicate(timeout=WAIT_SECONDS)
    assert running.returncode == 2, complained
