"""Statements of a major upgrade by logical replication: what the old server publishes, what the
new one subscribes to, and what stands against it. Sources: PostgreSQL's manual, chapter Logical
Replication (restrictions), and pg_createsubscriber of 17 (the point that a copy is recovered to).
"""

from __future__ import annotations

from pgstack.planning.services import UPGRADE_SLOT

NAME = UPGRADE_SLOT
"""of the publication and the subscription"""
SLOT = f"{UPGRADE_SLOT}_rows"
"""what the new server has not yet"""
PUBLISH = (f"CREATE PUBLICATION {NAME} FOR ALL TABLES",)
UNPUBLISH = f"DROP PUBLICATION IF EXISTS {NAME}"
CREATE_SLOT = f"SELECT lsn FROM pg_create_logical_replication_slot('{SLOT}', 'pgoutput')"  # noqa: S608 - no input
"""answers with the point from which on whole transactions are sent: all that have ended before it
are in a copy that was recovered to there, and none that ends later"""
BEYOND = "SELECT pg_logical_emit_message(true, 'stack', '')"
"""A record after that point: without one a recovery to it waits for the next that somebody
writes."""
RECOVERED = "SELECT NOT pg_is_in_recovery()"
BEHIND = f"""
    SELECT pg_current_wal_flush_lsn() - confirmed_flush_lsn FROM pg_replication_slots
     WHERE slot_name = '{SLOT}'"""  # noqa: S608 - no input
"""bytes of WAL that the new server has not confirmed"""
NOW = "SELECT pg_current_wal_flush_lsn()"
ENABLE, DISABLE = (f"ALTER SUBSCRIPTION {NAME} {word}" for word in ("ENABLE", "DISABLE"))
UNSUBSCRIBE = (
    DISABLE,
    f"ALTER SUBSCRIPTION {NAME} SET (slot_name = NONE)",
    f"DROP SUBSCRIPTION {NAME}",
)
"""leaves the slot, which is on the other server"""
ERRORS = f"SELECT apply_error_count FROM pg_stat_subscription_stats WHERE subname = '{NAME}'"  # noqa: S608 - no input
SEQUENCES = "SELECT format('%I.%I', schemaname, sequencename) FROM pg_sequences"
VIEWS = """
    SELECT format('REFRESH MATERIALIZED VIEW %s', oid::regclass) FROM pg_class
     WHERE relkind = 'm' AND relispopulated ORDER BY oid"""
"""later ones may read earlier ones"""
OWN_TABLES = """
    SELECT count(*) FROM pg_class AS c
     WHERE relkind = 'r' AND relpersistence <> 't'
       AND relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
       AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_class'::regclass
                          AND d.objid = c.oid AND d.deptype = 'e')"""
_INCOMPARABLE = ", ".join(
    f"'{name}'::regtype"
    for name in ("json", "xml", "point", "line", "lseg", "box", "path", "polygon", "circle")
)
"""types without an operator class by which rows are compared"""
AGAINST = f"""
    SELECT 'wal_level is ' || setting || ': set stack_inputs.wal_level to logical, and run the '
           'playbook site.yml'
      FROM pg_settings WHERE name = 'wal_level' AND setting <> 'logical'
    UNION ALL
    SELECT format('%I.%I has no primary key, nor another index that names its rows: '
                  'ALTER TABLE %1$I.%2$I REPLICA IDENTITY FULL',
                  relnamespace::regnamespace, relname)
      FROM pg_class AS c
     WHERE relkind = 'r' AND relpersistence = 'p'
       AND relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
       AND relreplident <> 'f' AND NOT EXISTS (
           SELECT FROM pg_index WHERE indrelid = c.oid AND (relreplident = 'i' AND indisreplident
               OR relreplident = 'd' AND indisprimary AND indimmediate))
    UNION ALL
    SELECT format('%I.%I has all columns to name a row, and %I cannot be compared: give it a '
                  'primary key, and ALTER TABLE %1$I.%2$I REPLICA IDENTITY DEFAULT',
                  relnamespace::regnamespace, relname, attname)
      FROM pg_class AS c JOIN pg_attribute AS a ON attrelid = c.oid
     WHERE relkind = 'r' AND relpersistence = 'p' AND relreplident = 'f' AND attnum > 0
       AND atttypid IN ({_INCOMPARABLE})
    UNION ALL
    SELECT format('%I.%I has row-level security that is forced on its owner, who could not be '
                  'given rows: upgrade without --logical', relnamespace::regnamespace, relname)
      FROM pg_class WHERE relkind IN ('r', 'p') AND relrowsecurity AND relforcerowsecurity
    UNION ALL
    SELECT count(*) || ' large objects, which are not replicated: keep them as files or in a '
           'column, or upgrade without --logical'
      FROM pg_largeobject_metadata HAVING count(*) > 0
    UNION ALL
    SELECT format('the publication %I is there: drop it first, or upgrade without --logical',
                  pubname) FROM pg_publication WHERE pubname <> '{NAME}'
    UNION ALL
    SELECT format('the trigger %I of %s fires for rows that are replicated too, and what it does '
                  'would be done twice: upgrade without --logical', tgname, tgrelid::regclass)
      FROM pg_trigger WHERE tgenabled IN ('A', 'R') AND NOT tgisinternal
    UNION ALL
    SELECT format('the subscription %I is there: drop it first', subname) FROM pg_subscription
    UNION ALL
    SELECT 'no two replication slots are free: raise max_replication_slots'
      FROM pg_replication_slots HAVING count(*) > current_setting('max_replication_slots')::int - 2
    UNION ALL
    SELECT 'no two processes for replication are free: raise max_wal_senders'
      FROM pg_stat_replication HAVING count(*) > current_setting('max_wal_senders')::int - 2
"""  # noqa: S608 - no input
"""asked in the database that is replicated"""
_BY_NUMBER = (
    "pg_proc",
    "pg_policy",
    "pg_enum",
    "pg_extension",
    "pg_authid",
    "pg_default_acl",
    "pg_event_trigger",
    "pg_statistic_ext",
    "pg_cast",
    "pg_operator",
    "pg_opclass",
    "pg_collation",
    "pg_ts_config",
    "pg_ts_dict",
    "pg_foreign_server",
    "pg_user_mapping",
)
"""catalogs whose lines do not change unless somebody changes what they are of"""
SCHEMA = f"""
    SELECT md5(string_agg(line, ',' ORDER BY line)) FROM (
        SELECT format('class %s %s', oid, to_jsonb(c) - '{{oid,relfilenode,relpages,reltuples,'
               'relallvisible,relallfrozen,relfrozenxid,relminmxid,relispopulated,relhastriggers,'
               'relhasindex,relhasrules,relhassubclass}}'::text[])
          FROM pg_class AS c
         WHERE relpersistence <> 't' AND relkind IN ('r', 'p', 'v', 'm', 'S', 'f', 'i', 'I')
           AND relnamespace <> 'pg_toast'::regnamespace
        UNION ALL SELECT format('column %s %s %s', attrelid, attnum, a.xmin)
          FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = attrelid
         WHERE relpersistence <> 't' AND relkind IN ('r', 'p', 'v', 'm', 'f', 'c') AND attnum > 0
        UNION ALL SELECT format('default %s %s', d.oid, d.xmin)
          FROM pg_attrdef AS d JOIN pg_class AS c ON c.oid = adrelid WHERE relpersistence <> 't'
        UNION ALL SELECT format('constraint %s %s', k.oid, k.xmin)
          FROM pg_constraint AS k LEFT JOIN pg_class AS c ON c.oid = conrelid
         WHERE relpersistence IS DISTINCT FROM 't'
        UNION ALL SELECT format('trigger %s %s', t.oid, t.xmin)
          FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = tgrelid WHERE relpersistence <> 't'
        UNION ALL SELECT format('rule %s %s', r.oid, r.xmin)
          FROM pg_rewrite AS r JOIN pg_class AS c ON c.oid = ev_class WHERE relpersistence <> 't'
        UNION ALL SELECT format('sequence %s %s', seqrelid, q.xmin)
          FROM pg_sequence AS q JOIN pg_class AS c ON c.oid = seqrelid WHERE relpersistence <> 't'
        UNION ALL SELECT format('type %s %s', oid, xmin) FROM pg_type WHERE typtype IN ('d', 'r')
        UNION ALL SELECT format('namespace %s %s', oid, xmin) FROM pg_namespace
         WHERE nspname NOT LIKE 'pg\\_temp%' AND nspname NOT LIKE 'pg\\_toast\\_temp%'
        UNION ALL SELECT format('member %s %s %s', roleid, member, xmin) FROM pg_auth_members
        UNION ALL SELECT format('setting %s %s %s', setdatabase, setrole, xmin)
          FROM pg_db_role_setting
        UNION ALL SELECT format('database %s %s %s', datname, datdba, datacl) FROM pg_database
        {"".join(f"UNION ALL SELECT format('{name} %s %s', oid, xmin) FROM {name} " for name in _BY_NUMBER)}
    ) AS known (line)"""  # noqa: E501, S608 - no input
"""what has changed once a table, a right or a role was made, changed or dropped: the transaction
that wrote a line of the catalog, or of what TRUNCATE and REFRESH write the rest. VACUUM and ANALYZE
write none of it."""


def number_of(sequence: str) -> str:
    """Its number, and whether it was given out."""
    return f"SELECT last_value, is_called FROM {sequence}"  # noqa: S608 - quoted by the server


def set_number(sequence: str, number: int, called: bool) -> str:
    """Have it go on from there."""
    name = sequence.replace("'", "''")
    return f"SELECT setval('{name}', {number}, {called})"


def behind(point: str) -> str:
    """Bytes of WAL until this point that the new server has not confirmed."""
    return (
        f"SELECT '{point}'::pg_lsn - confirmed_flush_lsn FROM pg_replication_slots "  # noqa: S608
        f"WHERE slot_name = '{SLOT}'"
    )


def recovery(point: str) -> str:
    """Options of a standby that ends its recovery at this point, before what is sent from there."""
    settings = {"lsn": point, "inclusive": "off", "action": "promote"}
    return " ".join(f"-c recovery_target_{name}={value}" for name, value in settings.items())


def connection(sockets: str, port: int, user: str, database: str) -> str:
    """What the subscription connects by: on this host, past the pooler."""
    return f"host={sockets} port={port} user={user} dbname={database}"


def subscribe(to: str, point: str) -> tuple[str, ...]:
    """Statements for the new server, which has all rows until `point`."""
    create = (
        f"CREATE SUBSCRIPTION {NAME} CONNECTION '{to}' PUBLICATION {NAME} WITH "
        f"(create_slot = false, slot_name = '{SLOT}', copy_data = false, enabled = false)"
    )
    begin = (
        f"SELECT pg_replication_origin_advance('pg_' || oid, '{point}') "  # noqa: S608 - no input
        f"FROM pg_subscription WHERE subname = '{NAME}'"
    )
    return create, begin, ENABLE


def lead(to: str) -> str:
    """Have the subscription connect elsewhere."""
    return f"ALTER SUBSCRIPTION {NAME} CONNECTION '{to}'"
