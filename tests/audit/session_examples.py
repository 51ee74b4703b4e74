"""Examples of hazards of what a session keeps: its search path, settings and role."""

from __future__ import annotations

SESSION: dict[str, list[tuple[str, str]]] = {
    "H007": [
        (
            "def f(cursor, tenant):\n    cursor.execute(f'SET search_path TO {tenant}, public')",
            (
                "@transaction.atomic\ndef f(cursor, tenant):\n    cursor.execute(f'SET LOCAL "
                "search_path TO {tenant}')"
            ),
        ),
        (
            "SQL = 'SET search_path = %s'\ndef f(c):\n    c.execute(SQL, ['a'])",
            (
                "SQL = 'SET search_path = %s'\nwith connections['direct'].cursor() as c:\n    "
                "c.execute(SQL, ['a'])"
            ),
        ),
    ],
    "H008": [
        (
            "connection.cursor().execute(\"SET statement_timeout = '%ss'\" % seconds)",
            (
                "with transaction.atomic():\n    connection.cursor().execute('SET LOCAL "
                "statement_timeout = 5')"
            ),
        )
    ],
    "H009": [
        (
            (
                "def f(cursor, key):\n    cursor.execute(\"SELECT set_config('app.tenant', %s, "
                'false)", [key])'
            ),
            (
                "@transaction.atomic\ndef f(c, key):\n    c.execute(\"SELECT set_config('app.tenant', "
                '%s, true)", [key])'
            ),
        )
    ],
    "H010": [
        (
            "def f(cursor):\n    cursor.execute('SET LOCAL lock_timeout = 5')",
            (
                "def f(cursor):\n    if not connection.in_atomic_block:\n        raise "
                "RuntimeError\n"
                "    cursor.execute('SET LOCAL lock_timeout = 5')"
            ),
        ),
        (
            "def f(cursor):\n    cursor.execute('SET TRANSACTION READ ONLY')",
            (
                "def f(cursor):\n    cursor.execute('SET TRANSACTION READ ONLY')\n"
                "def g(cursor):\n    with transaction.atomic():\n        f(cursor)"
            ),
        ),
    ],
    "H012": [
        (
            "def f(cursor):\n    cursor.execute('SET ROLE reporting')",
            "def f(cursor):\n    cursor.execute('RESET ROLE')",
        )
    ],
    "H013": [
        (
            "def f(cursor):\n    cursor.execute('SET SESSION AUTHORIZATION reporting')",
            "def f(cursor):\n    cursor.execute('SET SESSION AUTHORIZATION DEFAULT')",
        )
    ],
    "H014": [
        (
            (
                "def f(cursor):\n    cursor.execute('SET SESSION CHARACTERISTICS AS TRANSACTION READ "
                "ONLY')"
            ),
            (
                "def f(cursor):\n    if connection.vendor == 'mysql':\n"
                "        cursor.execute('SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY')"
            ),
        )
    ],
    "H015": [
        (
            "psycopg2.connect('').set_session(readonly=True, autocommit=True)",
            "psycopg2.connect('').set_session(readonly=True)",
        ),
        ("connection.connection.readonly = True", "connection.connection.autocommit = True"),
    ],
}
