"""What each alert is for, done to a local stack: the alerts that it must raise, and the end of
it."""

from __future__ import annotations

from drills.incidents import data, files, servers, sessions, visitors

ALONE = (
    servers.apache_hangs,
    servers.exporter_hangs,
    servers.postgresql_hangs,
    servers.pgbouncer_hangs,
    files.certificate_ends,
    data.page_spoilt,
)
"""those that stop or restart servers, one after the other"""
TOGETHER = (
    (servers.restarts,),
    (data.transactions_run_out,),
    (visitors.page_raises, sessions.table_locked, visitors.crowd_queues, visitors.slow_clients),
    (sessions.connections_taken, sessions.idle_in_transaction, sessions.pooler_clients_taken),
    (data.archive_fails,),
    (files.disk_fills,),
    (files.host_is_late,),
)
"""those that leave each other alone: row beside row, and each row in its order. The first of each
begin in this order too, so restarts are over before others need their sessions."""
INCIDENTS = (*ALONE, *(incident for row in TOGETHER for incident in row))
