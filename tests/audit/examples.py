"""The smallest example in Python of each hazard that the audit detects, and the same without it."""

from __future__ import annotations

from audit.session_examples import SESSION

DJANGO = (
    "from django.db import connection, connections, transaction\nfrom app.models import Account\n"
)

PYTHON: dict[str, list[tuple[str, str]]] = {
    "H001": [
        (
            "for row in Account.objects.iterator(): print(row)",
            "for row in Account.objects.all(): print(row)",
        ),
        (
            (
                "rows = Account.objects.filter(a=1)\nfor row in rows.iterator(chunk_size=9): "
                "print(row)"
            ),
            "with transaction.atomic():\n    for row in Account.objects.iterator(): print(row)",
        ),
        (
            "def f(self):\n    return self.get_queryset().order_by('a').iterator()",
            "@transaction.atomic\ndef f(self):\n    return list(self.get_queryset().iterator())",
        ),
        (
            "async def f():\n    async for row in Account.objects.aiterator(): print(row)",
            "rows = Account.objects.using('direct').iterator()",
        ),
        ("cursor = connection.chunked_cursor()", "cursor = connections['direct'].chunked_cursor()"),
    ],
    "H004": [("row = next(Account.objects.iterator())", "row = Account.objects.first()")],
    "H005": [
        (
            (
                "for row in Account.objects.iterator():\n    with transaction.atomic():\n        "
                "row.save()"
            ),
            (
                "for key in list(Account.objects.values_list('pk')):\n    with "
                "transaction.atomic():\n        print(key)"
            ),
        )
    ],
    "H006": [
        (
            "connection.cursor().execute('DECLARE c CURSOR WITH HOLD FOR SELECT 1')",
            "connection.cursor().execute('DECLARE c CURSOR FOR SELECT 1')",
        ),
        (
            "c = psycopg2.connect('').cursor(name='c', withhold=True)",
            "c = psycopg2.connect('').cursor(name='c')",
        ),
    ],
    **SESSION,
    "H019": [
        (
            "def f(cursor):\n    cursor.execute('LISTEN jobs')",
            "def f(cursor):\n    cursor.execute('NOTIFY jobs')",
        ),
        (
            "async def f(conn):\n    await conn.add_listener('jobs', print)",
            "button.add_listener(click, print)",
        ),
    ],
    "H020": [
        (
            "def f(cursor, key):\n    cursor.execute('SELECT pg_advisory_lock(%s)', [key])",
            "def f(cursor, key):\n    cursor.execute('SELECT pg_advisory_xact_lock(%s)', [key])",
        ),
        (
            (
                "def f(wait, cursor):\n    name = 'pg_'\n    if not wait:\n        name += 'try_'\n"
                "    name += 'advisory_lock'\n    cursor.execute('SELECT %s(%d)' % (name, 42))"
            ),
            (
                "def f(cursor):\n    name = 'pg_' + 'advisory_xact_lock'\n    cursor.execute('SELECT "
                "%s(%d)' % (name, 42))"
            ),
        ),
        (
            "from django_pglocks import advisory_lock\nwith advisory_lock('nightly'): pass",
            "import pglock\nwith pglock.advisory('nightly', xact=True): pass",
        ),
        (
            "Func(Value(1), function='pg_try_advisory_lock')",
            "Func(Value(1), function='pg_try_advisory_xact_lock')",
        ),
        (
            "def f(cursor):\n    cursor.callproc('pg_advisory_lock', [1])",
            "def f(cursor):\n    logger.info('pg_advisory_lock(1)')",
        ),
        ("q = select(func.pg_advisory_lock(1))", "q = select(func.pg_advisory_xact_lock(1))"),
    ],
    "H021": [
        (
            "def f(cursor):\n    cursor.execute('CREATE TEMP TABLE t AS SELECT 1')",
            (
                "def f(cursor):\n    with transaction.atomic():\n"
                "        cursor.execute('CREATE TEMP TABLE t ON COMMIT DROP AS SELECT 1')"
            ),
        )
    ],
    "H022": [
        (
            "def f(cursor):\n    cursor.execute('PREPARE p AS SELECT 1')",
            "def f(parser):\n    parser.add_argument('x', help='EXECUTE tasks and PREPARE them')",
        )
    ],
    "H023": [
        (
            "c = psycopg.connect('', prepare_threshold=5)",
            "c = psycopg.connect('', prepare_threshold=None)",
        ),
        (
            "def f(cursor):\n    cursor.execute('SELECT 1', prepare=True)",
            "def f(cursor):\n    cursor.execute('SELECT 1')",
        ),
    ],
    "H025": [
        (
            "def f(cursor):\n    cursor.execute('SELECT lastval()')",
            (
                "def f(cursor):\n    with transaction.atomic():\n        cursor.execute('SELECT "
                "lastval()')"
            ),
        )
    ],
    "H026": [
        (
            "def f(cursor):\n    cursor.execute(\"SELECT dblink_connect('a', 'host=b')\")",
            (
                "def f(cursor):\n    cursor.execute(\"SELECT * FROM dblink('host=b', 'SELECT 1') AS "
                't(x int)")'
            ),
        )
    ],
    "H027": [
        (
            "def f(cursor):\n    cursor.execute('SET CONSTRAINTS ALL DEFERRED')",
            (
                "@transaction.atomic\ndef f(cursor):\n    cursor.execute('SET CONSTRAINTS ALL "
                "DEFERRED')"
            ),
        )
    ],
    "H028": [
        ("options['options'] = f'-c search_path={schema}'", "options['options'] = 'none'"),
        (
            "psycopg_options = {'options': '-c statement_timeout=5000'}",
            "pytest_options = {'options': 'fast'}",
        ),
    ],
    "H032": [
        ("subprocess.run(['pg_dump', '--port=6432', name])", "raise CommandError('pg_dump failed')")
    ],
    "H033": [("subprocess.run(['pg_restore', name])", "print('pg_restore')")],
    "H037": [
        (
            (
                "from django.contrib.postgres.operations import "
                "AddIndexConcurrently\nAddIndexConcurrently('a', index)"
            ),
            "from django.db.migrations import AddIndex\nAddIndex('a', index)",
        )
    ],
    "H040": [
        (
            "import requests\nwith transaction.atomic():\n    requests.post(url)",
            (
                "import requests\nwith transaction.atomic():\n    transaction.on_commit(lambda: "
                "requests.post(url))"
            ),
        )
    ],
    "H043": [
        (
            "def work():\n    Account.objects.update(a=1)\nThread(target=work).start()",
            (
                "def work():\n    try:\n        Account.objects.update(a=1)\n    finally:\n        "
                "connection.close()\n"
                "Thread(target=work).start()"
            ),
        ),
        *(
            (
                f"def work(x=0):\n    Account.objects.update(a=1)\n{start}",
                f"def work(x=0):\n    with on_direct():\n        pass\n{start}",
            )
            for start in (
                "pool.submit(work, 1)",
                "pool.map(work, range(9))",
                "loop.run_in_executor(None, work)",
                "pool.submit(lambda: work(1))",
                "pool.apply_async(partial(work, 1))",
                "Timer(5, work).start()",
                "asyncio.to_thread(work)",
                "pool.imap_unordered(work, range(9))",
                "sync_to_async(work, thread_sensitive=False)",
            )
        ),
        (
            "@sync_to_async(thread_sensitive=False)\ndef work():\n    Account.objects.update(a=1)",
            "@sync_to_async\ndef work():\n    Account.objects.update(a=1)",
        ),
        (
            "class Worker(Thread):\n    def run(self):\n        Account.objects.update(a=1)",
            (
                "class Worker(Thread):\n    def run(self):\n        try:\n            "
                "Account.objects.update(a=1)\n"
                "        finally:\n            connections.close_all()"
            ),
        ),
    ],
    "H045": [
        (
            "from django_tenants.utils import schema_context\nwith schema_context('a'): pass",
            "from contextlib import suppress\nwith suppress(KeyError): pass",
        )
    ],
    "H046": [
        (
            "def f(cursor):\n    cursor.execute('DISCARD ALL')",
            "def f(cards):\n    cards.execute('discard a card')",
        )
    ],
}
"""below the imports of DJANGO"""

BY_SETTINGS_ONLY = frozenset({"H017", "H036"})
"""shown by what Django has loaded, not by a file: tests/unit/test_project_hazards.py"""
