"""Checks of the way between a web host and its database host."""

from __future__ import annotations

from pgstack.live.probes import certificate, postgres
from pgstack.live.verify.finding import Outcome, judge
from pgstack.live.verify.live import Live, ask
from pgstack.planning import targets

DAY = 24 * 3600
LEAST_DAYS = 14
"""left of the certificate; site.yml makes one with less than 30 anew"""
ROTATE = "Make a new one: `ansible-playbook rotate.yml`."
TLS = ("TLSv1.3",)
TLS_OF_OTHERS = ("TLSv1.2", *TLS)


def encrypted(live: Live) -> Outcome:
    """The backends of PgBouncer and of those who go past it speak TLS, as PostgreSQL itself sees
    it."""
    asked = "SELECT coalesce(version, 'no TLS') FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
    with live.clients(1) as (client,):
        by_client = {
            "PgBouncer": ask(client, asked),
            live.plan.roles.monitor: postgres.query(live.monitor, asked)[0][0],
        }
    known = TLS_OF_OTHERS if live.plan.external else TLS
    wrong = [
        f"{who} is connected with {version}"
        for who, version in by_client.items()
        if version not in known
    ]
    remedy = targets.of(live.plan.target).remedy
    versions = " and ".join(dict.fromkeys(by_client.values()))
    return judge(wrong, f"{' and '.join(by_client)} are connected with {versions}", remedy)


def certified(live: Live) -> Outcome:
    """PostgreSQL's certificate is our authority's, names the host, and has time left."""
    days = int(certificate.seconds_left(live.plan) // DAY)
    detail = f"names {live.plan.postgres.server_name}, {days} days left"
    return judge([detail] if days < LEAST_DAYS else [], detail, ROTATE)
