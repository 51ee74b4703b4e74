"""Alerts of the page: each at its threshold and not below, after its time, and the verdict."""

from __future__ import annotations

import pytest

from pgstack.metrics import ages, apache, facts, planned, pooler, postgres, rules, web
from pgstack.metrics.alerts import Alert, Alerts, verdict
from pgstack.metrics.model import LANE, Counts, Metric, Sample
from pgstack.metrics.reading import Reading
from pgstack.metrics.sources import UP

SECONDS = (0.1, 1.0, 5.0)
SERVER, ARCHIVER = postgres.COLUMNS["server"], postgres.COLUMNS["archiver"]
DAY = 86400


def single(metric: Metric, value: float, *labels: str) -> Sample:
    lane = ("",) if metric.labels[-1:] == (LANE,) else ()
    return Sample(metric, labels + lane, value)


PLAN = [
    single(planned.QUEUE, 10),
    single(planned.WORKERS, 512),
    single(planned.THREADS, 8),
    single(planned.POOL, 5, "app"),
    single(planned.RESERVED, 3),
    single(planned.IDLE, 10),
    single(planned.CLIENTS, 20),
    single(planned.BACKUP, 60),
    single(SERVER["max_connections"], 20),
]


def fires(moments: list[list[Sample]], step: float = 15) -> dict[str, list[str]]:
    """States of each alert over the moments, `step` seconds apart; empty while it does not hold."""
    alerts, states = Alerts(), {rule.name: [""] * len(moments) for rule in rules.RULES}
    for place, samples in enumerate(moments):
        for alert in alerts.see(Reading([*PLAN, *samples], 1e6 + place * step)):
            states[alert.rule.name][place] = "fires" if alert.fires else "holds"
    return {name: states for name, states in states.items() if any(states)}


def always(count: int, *samples: Sample) -> list[list[Sample]]:
    return [list(samples)] * count


@pytest.mark.parametrize(
    ("name", "too_much", "just_not", "seconds"),
    [
        ("SiteDown", single(UP, 0, "site"), single(UP, 1, "site"), 60),
        ("PostgreSQLDown", single(UP, 0, "postgresql"), single(UP, 1, "postgresql"), 30),
        ("PgBouncerDown", single(UP, 0, "pgbouncer"), single(UP, 1, "pgbouncer"), 60),
        ("WorkersTaken", single(apache.BUSY, 410), single(apache.BUSY, 409), 60),
        ("LocksBlock", single(postgres.WAITERS, 3), single(postgres.WAITERS, 2), 60),
        ("IdleInTransaction", single(postgres.IDLE, 21), single(postgres.IDLE, 20), 60),
        (
            "ConnectionsRunOut",
            single(postgres.BACKENDS, 15, "app", "idle"),
            single(postgres.BACKENDS, 14, "app", "idle"),
            120,
        ),
        (
            "PoolerClientsRunOut",
            single(pooler.CLIENTS, 19, "app", "app", "active"),
            single(pooler.CLIENTS, 18, "app", "app", "active"),
            120,
        ),
        (
            "ArchiveFails",
            single(ARCHIVER["last_failed"], 9),
            single(ARCHIVER["last_failed"], 0),
            300,
        ),
        (
            "ChecksumFails",
            single(SERVER["checksum_failures"], 1),
            single(SERVER["checksum_failures"], 0),
            0,
        ),
        (
            "TransactionIdsRunOut",
            single(SERVER["xid_age"], 1.1e9),
            single(SERVER["xid_age"], 1e9),
            300,
        ),
        (
            "TransactionIdsAge",
            single(SERVER["xid_age"], 6e8),
            single(SERVER["xid_age"], 5e8),
            3600,
        ),
        (
            "CertificateEnds",
            single(ages.CERTIFICATE, 1e6 + 6 * DAY),
            single(ages.CERTIFICATE, 1e6 + 8 * DAY),
            60,
        ),
        (
            "CertificateEndsSoon",
            single(ages.CERTIFICATE, 1e6 + 20 * DAY),
            single(ages.CERTIFICATE, 1e6 + 22 * DAY),
            3600,
        ),
        ("DrillLate", single(facts.DRILL_PASSED, 0), single(facts.DRILL_PASSED, 1), 900),
        ("VerifyFails", single(facts.VERIFY, 1e6 - 2 * DAY - 1), single(facts.VERIFY, 1e6), 900),
        ("BackupLate", single(ages.BACKUP, 1e6 - 61), single(ages.BACKUP, 1e6 + 9999), 900),
    ],
)
def test_it_holds_above_its_threshold_and_fires_after_its_time(
    name: str, too_much: Sample, just_not: Sample, seconds: int
) -> None:
    assert name not in fires(always(3, just_not))
    moments = seconds // 15
    states = fires(always(moments + 1, too_much))[name]
    assert states == ["holds"] * moments + ["fires"]
    assert fires([*always(moments + 1, too_much), [just_not]])[name][-1] == ""


def test_what_has_ended_begins_anew() -> None:
    away, there = [single(UP, 0, "site")], [single(UP, 1, "site")]
    states = fires([*[away] * 3, there, *[away] * 3])["SiteDown"]
    assert states == ["holds", "holds", "holds", "", "holds", "holds", "holds"]


def queue(short: int, long: int) -> Sample:
    return Sample(web.QUEUE, ("",), Counts(SECONDS, (float(short), 0.0, float(long), 0.0), 0.0))


def test_a_queue_is_judged_by_the_slowest_in_twenty_of_a_minute() -> None:
    slow = [[queue(90 * at, 10 * at)] for at in range(8)]
    assert fires(slow)["RequestsQueue"] == ["", *["holds"] * 4, *["fires"] * 3]
    assert "RequestsQueue" not in fires([[queue(99 * at, at)] for at in range(8)])


def test_how_long_requests_wait_is_known_below_the_threshold_too() -> None:
    alerts = Alerts()
    for at in range(5):
        assert alerts.see(Reading([*PLAN, queue(94 * at, 6 * at)], 15 * at)) == []
    assert alerts.queued == pytest.approx(1.667, abs=0.001)


def test_errors_are_judged_by_their_number_and_share() -> None:
    def answers(errors: int, rest: int) -> list[list[Sample]]:
        return [
            [single(web.RESPONSES, errors * at, "5xx"), single(web.RESPONSES, rest * at, "2xx")]
            for at in range(20)
        ]

    assert fires(answers(1, 20))["ServerErrors"][-1] == "fires"
    assert "ServerErrors" not in fires(answers(1, 90))
    assert "ServerErrors" not in fires(answers(0, 5))


def test_the_pool_is_judged_by_how_many_wait_for_it() -> None:
    def waits(seconds: float) -> list[list[Sample]]:
        return [[single(pooler.WAITED, seconds * at, "app")] for at in range(13)]

    assert fires(waits(15 * 1.6))["PoolWaits"][-1] == "fires"
    assert "PoolWaits" not in fires(waits(15 * 1.5))


def alert(name: str, *, fires: bool) -> Alert:
    rule = next(rule for rule in rules.RULES if rule.name == name)
    return Alert(rule, 0, fires, f"{name} happened.")


def test_verdict_says_whether_somebody_must_act() -> None:
    assert verdict([]) == {"level": "good", "text": "Nothing to do."}
    page, ticket = alert("LocksBlock", fires=True), alert("BackupLate", fires=True)
    assert verdict([page, ticket]) == {"level": "bad", "text": "LocksBlock happened."}
    assert verdict([ticket]) == {"level": "warn", "text": "BackupLate happened."}
    begins = alert("SiteDown", fires=False)
    assert verdict([begins]) == {"level": "warn", "text": "It begins: SiteDown happened."}
    assert verdict([], [], 0.49) == {"level": "good", "text": "Nothing to do."}
    assert verdict([], [], 1.6) == {
        "level": "warn",
        "text": "No alert, but users wait: one request in twenty 1.6 s for a free thread.",
    }
    assert verdict([], ["apache"]) == {"level": "warn", "text": "No figures of apache."}


def test_what_fires_stands_first() -> None:
    alerts = Alerts()
    late, down = single(ages.BACKUP, 0), single(UP, 0, "site")
    for at in range(0, 905, 5):
        alerts.see(Reading([*PLAN, late], 1e6 + at))
    shown = alerts.see(Reading([*PLAN, late, down], 1e6 + 910))
    assert [(a.rule.name, a.fires) for a in shown] == [("BackupLate", True), ("SiteDown", False)]
