"""What else a backend keeps after a transaction."""

from __future__ import annotations

from pgstack.hazards.model import Hazard, by

HAZARDS = (
    Hazard(
        id="H021",
        title="Temporary tables",
        breaks="The next statement may find no such table; the next client may find that it "
        "already exists.",
        fix="Create it with `ON COMMIT DROP` inside the transaction that uses it, or use a common "
        "table expression.",
        before="CREATE TEMP TABLE chosen AS SELECT id FROM account",
        after="BEGIN; CREATE TEMP TABLE chosen ON COMMIT DROP AS SELECT id FROM account; …; COMMIT",
        severity="error",
        detected_by=by("audit", "guard"),
    ),
    Hazard(
        id="H022",
        title="SQL `PREPARE`, `EXECUTE`, `DEALLOCATE`",
        breaks="PgBouncer follows prepared statements of the protocol, never these: the statement "
        "is prepared on one "
        "backend and executed on another.",
        fix="Let the driver prepare (psycopg 3, `prepare=True`, PgBouncer 1.22), or send the "
        "statement as it is.",
        before="PREPARE one (int) AS SELECT * FROM account WHERE id = $1",
        after="cursor.execute('SELECT * FROM account WHERE id = %s', [key])",
        severity="error",
        detected_by=by("audit", "guard"),
    ),
    Hazard(
        id="H024",
        title="Cached plans after a change of the schema",
        breaks="`cached plan must not change result type`, at every retry, until the backend is "
        "replaced.",
        fix="`RECONNECT` in PgBouncer's console after a migration.",
        before="manage.py migrate",
        after="manage.py migrate && psql pgbouncer -c RECONNECT",
        severity="warning",
    ),
    Hazard(
        id="H025",
        title="`currval()`, `lastval()` outside a transaction",
        breaks="They answer for the backend: `not yet defined in this session`, or the key that "
        "another client got.",
        fix="`INSERT … RETURNING id`, or both statements in one transaction.",
        before="INSERT INTO account …; SELECT lastval()",
        after="INSERT INTO account … RETURNING id",
        severity="error",
        detected_by=by("audit", "guard"),
    ),
    Hazard(
        id="H026",
        title="`setseed()`, `LOAD`, `dblink_connect()`",
        breaks="Seed, library and connection stay on the backend: lost for their owner, left for "
        "others.",
        fix="Use them within one transaction; preload the library; pass `dblink()` the connection "
        "string.",
        before="SELECT dblink_connect('archive', 'host=archive')",
        after="SELECT * FROM dblink('host=archive', 'SELECT 1') AS t(x int)",
        severity="warning",
        detected_by=by("audit", "guard"),
    ),
    Hazard(
        id="H027",
        title="`SET CONSTRAINTS` outside a transaction",
        breaks="Nothing happens: it holds until the end of its own statement.",
        fix="Put it inside `transaction.atomic()`.",
        before="cursor.execute('SET CONSTRAINTS ALL DEFERRED')",
        after="with transaction.atomic():\n    cursor.execute('SET CONSTRAINTS ALL DEFERRED')",
        severity="warning",
        detected_by=by("audit", "guard"),
    ),
    Hazard(
        id="H046",
        title="`DISCARD`, `RESET ALL` by clients",
        breaks="They clear the backend for everybody: what `connect_query` had set is gone for "
        "whoever gets it next. "
        "Statements that PgBouncer itself prepared there are gone too; 1.24 notices and prepares "
        "them anew.",
        fix="Leave them out: what does not leak needs no clearing.",
        before="cursor.execute('DISCARD ALL')",
        after="# nothing",
        severity="warning",
        detected_by=by("audit", "guard"),
    ),
    Hazard(
        id="H047",
        title="Type numbers kept after a restore",
        breaks="hstore and citext get new numbers when a database is restored; clients that live "
        "on know the old ones "
        "and return strings.",
        fix="Restart the web processes after a restore.",
        before="pg_restore … # and nothing else",
        after="pg_restore … && apachectl -k restart",
        severity="notice",
    ),
)
