"""Which sessions have a transaction open, and which block others: one query, for the page and for
status."""

from __future__ import annotations

_SESSIONS = """
    WITH waiting AS MATERIALIZED (
        SELECT pid, pg_blocking_pids(pid) AS blockers
          FROM (SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'
                 ORDER BY query_start LIMIT 100) AS first),
    sessions AS (
        SELECT pid, coalesce(usename, '') AS role, left(application_name, 40) AS program,
               coalesce(state, '') AS state,
               extract(epoch FROM clock_timestamp() - xact_start)::float8 AS seconds,
               (SELECT count(*) FROM waiting WHERE a.pid = ANY(blockers)) AS waiters,
               coalesce(wait_event_type = 'Lock', false) AS waits, {said}
          FROM pg_stat_activity AS a
         WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
           AND xact_start IS NOT NULL)
    SELECT *, waiters > 0 AS blocks FROM sessions
     ORDER BY CASE WHEN waits THEN 0 ELSE waiters END DESC, seconds DESC LIMIT 6"""
# Only the first two words of a statement, which are never values.
WITH_WORDS = _SESSIONS.format(
    said="coalesce(substring(query FROM '^[[:space:]]*([A-Za-z]+([[:space:]]+[A-Za-z_]+)?)'), '')"
    " AS words"
)
"""first the session that blocks most others and is not blocked, then the oldest transaction"""
WITH_STATEMENT = _SESSIONS.format(said="left(query, 1000) AS statement")
"""the same, with the statements, values included"""
