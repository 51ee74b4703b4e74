"""Settings of the session, changed by statements."""

from __future__ import annotations

from pgstack.hazards.model import Hazard, by

HAZARDS = (
    Hazard(
        id="H007",
        title="`SET search_path`",
        breaks="The path stays on the backend. Other clients get it: `relation does not exist`, or "
        "the rows of another "
        "tenant.",
        fix="`ALTER ROLE … SET search_path`, `SET LOCAL` inside a transaction, or qualified names.",
        before="cursor.execute('SET search_path TO tenant_7')",
        after="with transaction.atomic():\n    cursor.execute('SET LOCAL search_path TO tenant_7')",
        severity="error",
        detected_by=by("audit", "guard"),
    ),
    Hazard(
        id="H008",
        title="`SET` of a setting for the session",
        breaks="The setting leaks to the next client of that backend and is lost for the one who "
        "asked: a report's "
        "`statement_timeout` cancels someone's page, and the report runs without one.",
        fix="`ALTER ROLE … SET` for what always holds, `SET LOCAL` inside a transaction for one "
        "piece of work.",
        before="cursor.execute(\"SET statement_timeout = '5s'\")",
        after='with transaction.atomic():\n    cursor.execute("SET LOCAL statement_timeout = '
        "'5s'\")",
        severity="error",
        detected_by=by("audit", "guard"),
    ),
    Hazard(
        id="H009",
        title="Custom settings for the session: `set_config(…, false)`",
        breaks="Row-level security that reads the setting then shows the next client this "
        "tenant's rows.",
        fix="Pass `true` as third argument (or `SET LOCAL`), inside the transaction that needs it.",
        before="SELECT set_config('app.tenant', '7', false)",
        after="BEGIN; SELECT set_config('app.tenant', '7', true); …; COMMIT",
        severity="error",
        detected_by=by("audit", "guard"),
    ),
    Hazard(
        id="H010",
        title="`SET LOCAL` outside a transaction",
        breaks="Nothing happens: each statement is its own transaction, and the setting ends with "
        "it. PostgreSQL only "
        "warns. The same holds for `SET TRANSACTION`.",
        fix="Put it inside `transaction.atomic()`.",
        before="cursor.execute(\"SET LOCAL lock_timeout = '2s'\")",
        after="with transaction.atomic():\n    cursor.execute(\"SET LOCAL lock_timeout = '2s'\")",
        severity="warning",
        detected_by=by("audit", "guard"),
    ),
    Hazard(
        id="H011",
        title="A custom setting that is empty instead of NULL",
        breaks="Once a backend has seen `SET LOCAL app.tenant`, `current_setting('app.tenant', "
        "true)` gives '' after "
        "the transaction, not NULL. Policies that test for NULL, or cast it, fail on used "
        "backends only.",
        fix="`NULLIF(current_setting('app.tenant', true), '')` wherever it is read.",
        before="USING (tenant = current_setting('app.tenant', true)::int)",
        after="USING (tenant = NULLIF(current_setting('app.tenant', true), '')::int)",
        severity="warning",
        detected_by=by("audit"),
    ),
    Hazard(
        id="H012",
        title="`SET ROLE`, `assume_role`",
        breaks="The role stays on the backend: the next client works with this one's rights.",
        fix="Log in as that role, or `SET LOCAL ROLE` inside a transaction.",
        before="DATABASES['default']['OPTIONS']['assume_role'] = 'reporting'",
        after="DATABASES['reporting'] = {**pooled, 'USER': 'reporting'}",
        severity="error",
        detected_by=by("audit", "guard", "check"),
        check="stack.E012",
    ),
    Hazard(
        id="H013",
        title="`SET SESSION AUTHORIZATION`",
        breaks="The next client of that backend is someone else.",
        fix="Use the direct alias, or log in as that role.",
        before="SET SESSION AUTHORIZATION reporting",
        after="connections['direct'].cursor()",
        severity="error",
        detected_by=by("audit", "guard"),
    ),
    Hazard(
        id="H014",
        title="`SET SESSION CHARACTERISTICS`, `SET default_transaction_…`",
        breaks="Other clients become read-only or serializable: `cannot execute INSERT in a "
        "read-only transaction`.",
        fix="`SET TRANSACTION` as the first statement of the transaction that needs it.",
        before="SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
        after="BEGIN; SET TRANSACTION READ ONLY; …; COMMIT",
        severity="error",
        detected_by=by("audit", "guard"),
    ),
    Hazard(
        id="H015",
        title="psycopg2's `set_session()` with autocommit",
        breaks="In autocommit the driver sends `SET default_transaction_…`. Others become "
        "read-only or serializable, "
        "and stay so after this client has left.",
        fix="Ask for it per transaction: `SET TRANSACTION READ ONLY` inside it.",
        before="connection.set_session(readonly=True, autocommit=True)",
        after="with transaction.atomic():\n    cursor.execute('SET TRANSACTION READ ONLY')",
        severity="error",
        detected_by=by("audit"),
    ),
)
