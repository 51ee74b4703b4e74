"""Checks of a cluster, from a web host."""

from __future__ import annotations

import time
from contextlib import closing

from pgstack.errors import ProbeError
from pgstack.live.probes import members, postgres
from pgstack.live.verify.finding import Outcome, judge
from pgstack.live.verify.live import Live
from pgstack.planning.cluster import Cluster

SEE = "See docs/cluster.md, and on that member `stackctl status`."


def elected(live: Live) -> Outcome:
    """One member leads, the others follow it closely, one of them synchronously, and all of them
    hear from etcd."""
    part = _part(live)
    there = members.settled(part)
    return judge([*members.faults(part, there)], members.told(there), SEE)


def led(live: Live) -> Outcome:
    """Each PgBouncer is led to the member that leads."""
    part = _part(live)
    first = members.leader(members.ask(part))
    reads = live.plan.replicas.database if live.plan.replicas else ""
    told = [live.shown("DATABASES", process.port) for process in live.plan.pooler.processes]
    rows = [row for rows in told for row in rows if row["host"] and row["name"] != reads]
    hosts = {str(row["host"]) for row in rows}
    known = {address: name for name, address in part.databases.items()}
    poolers = " and ".join(known.get(host, host) for host in sorted(hosts))
    wanted = first.name if first else "a member that leads"
    wrong = (
        []
        if first and hosts == {part.members[first.name]}
        else [f"PgBouncer is led to {poolers or 'nobody'}, not to {wanted}"]
    )
    unit = f"{live.plan.names.prefix}-follower"
    return judge(wrong, f"PgBouncer is led to {poolers}", f"See `journalctl -u {unit}`.")


def clocks(live: Live) -> Outcome:
    """Clocks of the members agree with this host's: a planned switchover is announced for a
    time."""
    part = _part(live)
    off = {name: _off(live, address) for name, address in part.databases.items()}
    most = part.follower.ahead / 2
    wrong = [
        f"the clock of {name} differs by {seconds:.1f} s from this host's"
        for name, (seconds, error) in off.items()
        if abs(seconds) - error > most
    ]
    largest = max(abs(seconds) for seconds, _ in off.values())
    remedy = "Have a time service set them (systemd-timesyncd or chrony) on all hosts."
    return judge(wrong, f"clocks differ by {largest:.2f} s at most", remedy)


def _off(live: Live, address: str) -> tuple[float, float]:
    """By how many seconds a member's clock is ahead, and how far from that it may be. Raises
    psycopg2.Error."""
    more = {"host": address, "target_session_attrs": "any"}
    asked = "SELECT extract(epoch FROM clock_timestamp())::float8"
    with closing(postgres.connect(live.plan, live.plan.roles.monitor, **more)) as connection:
        began = time.time()
        said = float(postgres.query(connection, asked)[0][0])
        ended = time.time()
    return said - (began + ended) / 2, (ended - began) / 2


def _part(live: Live) -> Cluster:
    if live.plan.cluster is None:
        raise ProbeError("no cluster is planned")
    return live.plan.cluster
