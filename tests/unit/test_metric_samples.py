"""The exporter's samples, of rows that are given; and that no source can hold a scrape up."""

from __future__ import annotations

import threading
import time
from decimal import Decimal
from typing import Any

import pytest
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from fixtures.metric_rows import SCOREBOARD, console, values
from fixtures.sized import sized
from pgstack.metrics import apache, exporter, planned, pooler, postgres, queries, scraped, web
from pgstack.metrics.model import Counts, Sample
from pgstack.metrics.sources import Source, Sources

NEWER = {
    "POOLS": {"cl_active_cancel_req": 0, "sv_active_cancel": 0, "load_balance_hosts": None},
    "STATS": {"total_server_assignment_count": 40, "total_client_parse_count": 3},
    "DATABASES": {"server_lifetime": 3600, "current_client_connections": 8},
}
"""columns that PgBouncer 1.24 has and 1.18 has not"""


@pytest.mark.parametrize("more", [{}, NEWER], ids=["1.18", "1.24"])
def test_pooler_is_the_same_of_both_versions(more: dict[str, Any]) -> None:
    assert values(pooler.collect(console(**more))) == {
        "pgbouncer_client_connections{database=app,user=app,state=active}": 6,
        "pgbouncer_client_connections{database=app,user=app,state=waiting}": 2,
        "pgbouncer_server_connections{database=app,user=app,state=active}": 5,
        "pgbouncer_server_connections{database=app,user=app,state=idle}": 1,
        "pgbouncer_server_connections{database=app,user=app,state=used}": 0,
        "pgbouncer_server_connections{database=app,user=app,state=tested}": 0,
        "pgbouncer_server_connections{database=app,user=app,state=login}": 1,
        "pgbouncer_longest_wait_seconds{database=app,user=app}": 1.25,
        "pgbouncer_transactions_total{database=app}": 40,
        "pgbouncer_queries_total{database=app}": 120,
        "pgbouncer_received_bytes_total{database=app}": 1000,
        "pgbouncer_sent_bytes_total{database=app}": 2000,
        "pgbouncer_transaction_seconds_total{database=app}": 3,
        "pgbouncer_query_seconds_total{database=app}": 2.5,
        "pgbouncer_wait_seconds_total{database=app}": 0.5,
        "pgbouncer_database_connections{database=app}": 4,
        "pgbouncer_database_max_connections{database=app}": 7,
        "pgbouncer_database_paused{database=app}": 1,
        "pgbouncer_database_disabled{database=app}": 0,
        "pgbouncer_setting{name=max_client_conn}": 236,
    }


def test_workers_of_apache_are_counted_by_their_signs() -> None:
    samples = values(apache.collect(SCOREBOARD))
    assert samples["apache_busy_workers"] == 3
    assert samples["apache_connections"] == 12
    assert samples["apache_children"] == 2
    assert samples["apache_ending_children"] == 1
    assert samples["apache_uptime_seconds"] == 77
    states = {"idle": 5, "reading": 1, "sending": 2, "keepalive": 2, "open": 2, "closing": 0}
    for state, count in states.items():
        assert samples[f"apache_workers{{state={state}}}"] == count


def test_sessions_are_counted_by_state_and_by_what_they_wait_for() -> None:
    def row(state: str, count: int, wait: str = "", longest: float = 0) -> dict[str, Any]:
        return {"role": "app", "state": state, "wait": wait, "count": count, "longest": longest}

    rows = [
        row("active", 2),
        row("active", 3, "Lock"),
        row("active", 1, "Client"),
        row("idle", 4),
        row("idle in transaction", 1, longest=12.5),
        row("idle in transaction (aborted)", 1, longest=2),
    ]
    samples = values(postgres.collect({"backends": rows}))
    assert samples["postgresql_backends{role=app,state=active}"] == 6
    assert samples["postgresql_backends{role=app,state=idle}"] == 4
    assert samples["postgresql_waiting_backends{type=Lock}"] == 3
    assert samples["postgresql_waiting_backends{type=Client}"] == 1
    assert samples["postgresql_waiting_backends{type=IO}"] == 0
    assert samples["postgresql_idle_in_transaction_seconds"] == 12.5


def test_who_blocks_is_named_by_its_process() -> None:
    lock = {
        "waiters": 5,
        "longest": Decimal("4.5"),
        "blocker": 77,
        "blocked": 4,
        "seconds": Decimal(30),
    }
    samples = values(
        postgres.collect({"oldest": [{"pid": 77, "seconds": Decimal(30)}], "locks": [lock]})
    )
    assert samples["postgresql_oldest_transaction_seconds"] == 30
    assert samples["postgresql_oldest_transaction_process"] == 77
    assert samples["postgresql_lock_waiters"] == 5
    assert samples["postgresql_lock_wait_seconds"] == 4.5
    assert samples["postgresql_blocker_process"] == 77
    assert samples["postgresql_blocker_waiters"] == 4
    assert samples["postgresql_blocker_transaction_seconds"] == 30
    nobody = values(
        postgres.collect({"locks": [dict.fromkeys(lock, None) | {"waiters": 0}]})  # type: ignore[arg-type]
    )
    assert nobody["postgresql_blocker_process"] == 0
    assert nobody["postgresql_oldest_transaction_process"] == 0


def test_checkpoints_have_one_name_on_both_releases() -> None:
    assert "pg_stat_bgwriter" in queries.of(150018)["checkpoints"]
    assert "pg_stat_checkpointer" in queries.of(170011)["checkpoints"]
    row = {
        "timed": 3,
        "requested": 2,
        "write_seconds": 1.5,
        "sync_seconds": 0.5,
        "buffers": 100,
    }
    samples = values(postgres.collect({"checkpoints": [row]}))
    assert samples["postgresql_checkpoints_timed_total"] == 3
    assert samples["postgresql_checkpoints_requested_total"] == 2
    assert samples["postgresql_checkpoint_write_seconds_total"] == 1.5
    assert samples["postgresql_checkpoint_buffers_total"] == 100


def test_what_is_not_known_is_left_out() -> None:
    row = {
        "wanted": True,
        "archived_count": 7,
        "failed_count": 0,
        "last_archived": Decimal("1700000000.5"),
        "last_failed": None,
    }
    samples = values(postgres.collect({"archiver": [row]}))
    assert samples["postgresql_archiving"] == 1
    assert samples["postgresql_archived_timestamp_seconds"] == 1700000000.5
    assert "postgresql_archive_failed_timestamp_seconds" not in samples


def test_tables_and_replication_are_told_by_name() -> None:
    table = {"all_live": 90, "all_dead": 12, "schema": "public", "table": "world", "live": 80}
    samples = values(
        postgres.collect(
            {
                "tables": [{**table, "dead": 10, "size": 8192.0}],
                "replication": [
                    {"name": "b", "state": "streaming", "bytes": Decimal(512), "seconds": None}
                ],
                "slots": [{"name": "b", "active": False, "bytes": Decimal(1024)}],
            }
        )
    )
    assert samples["postgresql_live_rows"] == 90
    assert samples["postgresql_dead_rows"] == 12
    assert samples["postgresql_table_dead_rows{schema=public,table=world}"] == 10
    assert samples["postgresql_table_size_bytes{schema=public,table=world}"] == 8192
    assert samples["postgresql_replication_lag_bytes{name=b,state=streaming}"] == 512
    assert samples["postgresql_replication_lag_seconds{name=b,state=streaming}"] == 0
    assert samples["postgresql_slot_active{name=b}"] == 0
    assert samples["postgresql_slot_kept_bytes{name=b}"] == 1024


def test_the_plan_is_told_beside_what_is() -> None:
    samples = values(planned.collect(sized(2, 4096), 1700000000))
    assert samples["plan_written_timestamp_seconds"] == 1700000000
    assert samples["plan_processes"] == 2
    assert samples["plan_threads"] == 8
    assert samples["plan_pool_size{database=app}"] == 5
    assert samples["plan_pool_reserve{database=app}"] == 2
    assert samples["plan_queue_timeout_seconds"] == 10
    assert samples["plan_idle_in_transaction_timeout_seconds"] == 10
    assert samples["plan_postgresql_connections"] == 24
    assert samples["plan_memory_bytes{share=total}"] == 4096 * 1024**2
    assert samples["plan_memory_bytes{share=metrics}"] == 40 * 1024**2
    assert [name for name in samples if name.startswith("info{")] == [
        "info{target=compose,part=all,debian=13,postgresql=17,pgbouncer=1.24,mod_wsgi=5.0}"
    ]


@pytest.mark.parametrize(("setting", "seconds"), [("250ms", 0.25), ("10s", 10), ("2min", 120)])
def test_settings_are_told_in_seconds(setting: str, seconds: float) -> None:
    assert planned.seconds(setting) == seconds


def test_names_and_units_follow_prometheus() -> None:
    names = [metric.name for metric in exporter.declared()]
    assert len(names) == len(set(names))
    for metric in exporter.declared():
        assert metric.name.startswith("pgstack_")
        assert metric.name.endswith("_total") == (metric.kind == "counter"), metric.name
        assert metric.meaning.endswith("."), metric.name
        assert not {"ms", "us", "milliseconds", "mb", "kb"} & set(metric.name.split("_"))


def told(sources: Sources) -> dict[str, Any]:
    return values(sources.collect(0.2))


def test_a_source_that_hangs_or_fails_holds_no_other_up() -> None:
    ends, said = threading.Event(), list[str]()

    def hangs() -> list[Sample]:
        ends.wait(10)
        return []

    def fails() -> list[Sample]:
        raise OSError("not there\nnor elsewhere")

    sources = Sources(
        [
            Source("hangs", hangs),
            Source("fails", fails),
            Source("answers", lambda: apache.BUSY.of(3)),
        ],
        said.append,
    )
    for _ in range(3):
        begun = time.monotonic()
        samples = told(sources)
        assert time.monotonic() - begun < 1
        assert samples["up{source=hangs}"] == 0
        assert samples["up{source=fails}"] == 0
        assert samples["up{source=answers}"] == 1
        assert samples["apache_busy_workers"] == 3
    assert said == ["hangs: no answer in time", "fails: not there"]
    ends.set()
    assert told(sources)["up{source=hangs}"] == 1
    assert said[2:] == ["hangs: answers again"]


def test_two_who_ask_at_the_same_time_wait_for_one_answer() -> None:
    ends, asked = threading.Event(), list[int]()

    def counts() -> list[Sample]:
        asked.append(1)
        ends.wait(0.3)
        return list(apache.BUSY.of(len(asked)))

    sources = Sources([Source("counts", counts)], lambda _: None)
    busy: list[float] = []
    threads = [
        threading.Thread(
            target=lambda: busy.append(values(sources.collect(2))["apache_busy_workers"])
        )
        for _ in range(4)
    ]
    begun = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert time.monotonic() - begun < 0.6
    assert busy == [1, 1, 1, 1]
    assert values(sources.collect(2))["apache_busy_workers"] == 2


def test_the_text_is_prometheus_own() -> None:
    sources = Sources([Source("apache", lambda: apache.collect(SCOREBOARD))], lambda _: None)
    families = {
        family.name: family
        for family in text_string_to_metric_families(exporter.text(sources).decode())
    }
    assert families["pgstack_up"].samples[0].labels == {"source": "apache"}
    assert families["pgstack_apache_busy_workers"].samples[0].value == 3
    assert families["pgstack_apache_busy_workers"].documentation == (
        "Apache's workers that are serving a connection."
    )


def test_what_is_in_no_lane_has_no_label_and_all_is_read_back() -> None:
    given = [
        *web.BUSY.of(2, ""),
        *web.BUSY.of(3, "slow"),
        Sample(web.QUEUE, ("",), Counts((1.0,), (4, 1), 2.5)),
        Sample(web.QUEUE, ("slow",), Counts((1.0,), (0, 2), 9.0)),
    ]
    text = generate_latest(exporter.Collector(given)).decode()
    assert "pgstack_wsgi_busy_threads 2.0\n" in text
    assert 'pgstack_wsgi_busy_threads{lane="slow"} 3.0\n' in text
    now = scraped.reading(text)
    assert (now.value(web.BUSY, ""), now.total(web.BUSY)) == (2, 5)
    assert now.counts(web.QUEUE, lane="slow") == Counts((1.0,), (0, 2), 9.0)
    assert now.counts(web.QUEUE) == Counts((1.0,), (4, 3), 11.5)
