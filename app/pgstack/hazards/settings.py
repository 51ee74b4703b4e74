"""Django's settings of an alias."""

from __future__ import annotations

from pgstack.hazards.model import Hazard, by

HAZARDS = (
    Hazard(
        id="H016",
        title="`OPTIONS['isolation_level']`",
        breaks="It holds for transactions that the driver begins. Statements in autocommit, which "
        "is Django's default, "
        "stay READ COMMITTED.",
        fix="Put the work that needs the level inside `transaction.atomic()`, with `SET "
        "TRANSACTION ISOLATION LEVEL`.",
        before="'OPTIONS': {'isolation_level': IsolationLevel.SERIALIZABLE}",
        after="with transaction.atomic():\n    cursor.execute('SET TRANSACTION ISOLATION LEVEL "
        "SERIALIZABLE')",
        severity="warning",
        detected_by=by("audit", "check"),
        check="stack.W016",
    ),
    Hazard(
        id="H017",
        title="A time zone that is not exactly `UTC`",
        breaks="Django sends one more SET per connection, and PgBouncer replays it at each change "
        "of backend: a round "
        "trip more for many transactions.",
        fix="`TIME_ZONE = 'UTC'` (or the alias's), and `timezone = 'UTC'` for the role or the "
        "server.",
        before="TIME_ZONE = 'Europe/Berlin'\nUSE_TZ = False",
        after="TIME_ZONE = 'UTC'\nUSE_TZ = True",
        severity="notice",
        detected_by=by("audit", "guard", "check"),
        check="stack.W017",
    ),
    Hazard(
        id="H018",
        title="No `application_name`",
        breaks="PgBouncer 1.18 leaves the name of the backend's previous client: logs and "
        "`pg_stat_activity` name the "
        "wrong program.",
        fix="Set it in the OPTIONS of every alias.",
        before="'OPTIONS': {}",
        after="'OPTIONS': {'application_name': 'web'}",
        severity="notice",
        detected_by=by("audit", "check"),
        check="stack.W018",
    ),
    Hazard(
        id="H023",
        title="psycopg 3's prepared statements",
        breaks="With `prepare_threshold` the driver prepares what it sends often. A PgBouncer that "
        "does not follow it "
        '(before 1.21) answers `prepared statement "_pg3_0" does not exist` or `already exists`.',
        fix="Leave it at Django's None; or PgBouncer 1.22 with `max_prepared_statements` and "
        "libpq 17.",
        before="'OPTIONS': {'prepare_threshold': 5}",
        after="'OPTIONS': {'prepare_threshold': None}",
        severity="warning",
        detected_by=by("audit", "check"),
        check="stack.W023",
    ),
    Hazard(
        id="H028",
        title="Startup `options=-c …`",
        breaks="PgBouncer refuses the connection: `unsupported startup parameter: options`.",
        fix="`ALTER ROLE … SET` what the options set.",
        before="'OPTIONS': {'options': '-c statement_timeout=5000'}",
        after="ALTER ROLE app SET statement_timeout = '5s'",
        severity="error",
        detected_by=by("audit", "check"),
        check="stack.E028",
    ),
    Hazard(
        id="H035",
        title="`manage.py test` on the pooled alias",
        breaks="Tests create and drop databases. Through the pool that fails: the pool has a "
        "database name of its own "
        "and keeps connections to it.",
        fix="`ENGINE = 'pgstack.db'` and an alias `direct`, as which tests then run; or settings "
        "for tests whose "
        "`default` goes straight to PostgreSQL.",
        before="DATABASES['default']['PORT'] = 6432  # and manage.py test",
        after="if 'test' in sys.argv:\n    DATABASES['default'] = DATABASES['direct']",
        severity="notice",
        detected_by=by("check"),
        check="stack.W035",
    ),
    Hazard(
        id="H040",
        title="`ATOMIC_REQUESTS`, and slow work inside a transaction",
        breaks="A backend is held for as long as the transaction is open: for the whole request, "
        "calls to other "
        "servers and sleeps included. A few slow requests starve everyone.",
        fix="`transaction.atomic()` around the writes only; call others before or after it.",
        before="with transaction.atomic():\n    order.save()\n    requests.post(url, "
        "json=order.data)",
        after="with transaction.atomic():\n    order.save()\n    transaction.on_commit(lambda: "
        "announce(order))",
        severity="warning",
        detected_by=by("audit", "check"),
        check="stack.W040",
    ),
    Hazard(
        id="H042",
        title="`CONN_MAX_AGE` and `CONN_HEALTH_CHECKS`",
        breaks="A connection per request pays the login each time. A health check is one more "
        "query per request, and "
        "it queues for a backend like any other. Kept connections keep a PgBouncer that was told "
        "to stop running.",
        fix="`CONN_MAX_AGE = None` without health checks, on `ENGINE = 'pgstack.db'`, which asks "
        "the kernel instead.",
        before="'CONN_MAX_AGE': 0",
        after="'ENGINE': 'pgstack.db', 'CONN_MAX_AGE': None",
        severity="notice",
        detected_by=by("audit", "check"),
        check="stack.W042",
    ),
    Hazard(
        id="H044",
        title="A pool inside the process as well",
        breaks="Two pools queue behind each other, and the inner one keeps connections that the "
        "outer one counts.",
        fix="One of them: leave `OPTIONS['pool']` out behind PgBouncer.",
        before="'OPTIONS': {'pool': True}",
        after="'OPTIONS': {}",
        severity="warning",
        detected_by=by("audit", "check"),
        check="stack.W044",
    ),
    Hazard(
        id="H045",
        title="Packages with one schema per tenant",
        breaks="They set `search_path` for the session: other clients of the backend read that "
        "tenant's tables.",
        fix="`ENGINE = 'pgstack.db.tenants'` for django-tenants, which the overlay sets by itself; "
        "for others a pool in session mode, the direct alias, or a column for the tenant.",
        before="'ENGINE': 'django_tenants.postgresql_backend'",
        after="'ENGINE': 'pgstack.db.tenants', and ORIGINAL_BACKEND = 'pgstack.db'",
        severity="error",
        detected_by=by("audit", "check"),
        check="stack.E045",
    ),
)
