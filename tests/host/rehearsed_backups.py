"""Backups that a rehearsal of an upgrade cannot have its copy from, and what it reads instead."""

from __future__ import annotations

import re

from older_postgresql import OLD
from systemd_host import SystemdHost

REPOSITORY = "/var/lib/pgbackrest"
BUNDLE = f"$(find {REPOSITORY}/backup/stack/*F/bundle -type f | sort | tail -1)"
WRITE = "runuser -u postgres -- psql -qAth /run/stack/postgres -c 'SELECT pg_current_xact_id()' -c 'SELECT pg_switch_wal()'"
SEGMENTS = f"find {REPOSITORY}/archive -name '0*-*' -printf '%T@ %p\\n' | sort -n"
SPOILT = {
    "a few bytes of the backup": (
        f"cp -p {BUNDLE} /root/good; dd if=/dev/zero of={BUNDLE} bs=1 seek=60000 count=64 conv=notrunc",
        f"cp -p /root/good {BUNDLE}",
        r"\d{8}-\d{6}F cannot be restored[^\n]* ERROR: [^\n]*\n.* \(systemctl start stack-backup@full.service\), and run it",
    ),
    "a segment of WAL": (
        f"{WRITE}; sleep 3; {SEGMENTS} | tail -1 | cut -d' ' -f2 > /root/newest; mv $(cat /root/newest) /root/good",
        "mv /root/good $(cat /root/newest)",
        "recovery ended before configured recovery target was reached",
    ),
    "the repository": (
        f"mv {REPOSITORY}/backup /root/good",
        f"mv /root/good {REPOSITORY}/backup",
        "Once `stackctl backups` can read them, run it again",
    ),
}
"""what is done to it, how that is undone, and what is said of it"""
EMPTY = f"mv {REPOSITORY} /root/good; install -d -m 750 -o postgres -g postgres {REPOSITORY}"
PLAN = "/etc/stack/plan.json"
WITHOUT = {
    "backup: off": (
        f"""cp -p {PLAN} /root; sed -zi 's/"backup": {{[^{{}}]*{{[^{{}}]*}}[^{{}}]*}}/"backup": null/' {PLAN}""",
        f"cp -p /root/plan.json {PLAN}",
    ),
    "none yet": (
        f"{EMPTY}; runuser -u postgres -- pgbackrest --stanza=stack stanza-create",
        # What was archived meanwhile is missing.
        f"rm -r {REPOSITORY}; mv /root/good {REPOSITORY}; systemctl start stack-backup@full",
    ),
}
"""how it comes to be, and how that is undone"""
SIZE = "SELECT sum(pg_database_size(oid))::bigint FROM pg_database"


def read_bytes(host: SystemdHost) -> int:
    """By the server that serves, and all of its processes that have ended."""
    process = host.run("head", "-1", f"/var/lib/postgresql/{OLD}/main/postmaster.pid").stdout
    text = host.run("cat", f"/proc/{process.strip()}/io").stdout
    return int(re.findall(r"rchar: (\d+)", text)[0])


def timelines(host: SystemdHost) -> set[str]:
    """Of the WAL in the repository."""
    words = ("find", f"{REPOSITORY}/archive", "-name", "0*", "-printf", "%f\\n")
    return {name[:8] for name in host.run(*words).stdout.split()}
