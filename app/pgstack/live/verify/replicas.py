"""Checks of the alias `replica`: where it leads, and that it takes no writes."""

from __future__ import annotations

from pgstack.errors import ProbeError
from pgstack.live.verify.finding import Outcome, judge
from pgstack.live.verify.live import Live
from pgstack.planning.replicas import Replicas

ASKED = (
    "SELECT pg_is_in_recovery(), current_setting('transaction_read_only') = 'on',"
    " host(inet_server_addr())"
)
REMEDY = (
    "See docs/replicas.md, and in a cluster `journalctl -u {prefix}-follower`: it says how far "
    "behind standbys are."
)


def led(live: Live) -> Outcome:
    """Reads lead to a standby of a cluster, elsewhere to the primary, and no backend takes
    writes."""
    part, plan = _part(live), live.plan
    with live.clients(1, part.database) as (client,), client.cursor() as cursor:
        cursor.execute(ASKED)
        stands_by, only_reads, address = cursor.fetchone()
    known = {place: name for name, place in plan.cluster.databases.items()} if plan.cluster else {}
    wrong = [] if only_reads else [f"{part.database} at PgBouncer takes writes"]
    if plan.cluster and not stands_by:
        wrong += [f"reads lead to the primary: no standby is within {part.lag:g} s of it"]
    role = "a standby" if stands_by else "the primary"
    told = f"reads lead to {known.get(address, 'PostgreSQL')}, {role}; it takes no writes"
    return judge(wrong, told, REMEDY.format(prefix=plan.names.prefix))


def _part(live: Live) -> Replicas:
    if live.plan.replicas is None:
        raise ProbeError("no alias `replica` is planned")
    return live.plan.replicas
