"""What the server says about itself and about this login. Catalogues that everybody may read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg2

from pgstack.errors import ProbeError
from pgstack.planning.database_url import DatabaseUrl
from pgstack.planning.databases import Roles
from pgstack.planning.grants import UNLIMITED, Grants

REFUSED = "password authentication failed"
"""the server's words, also where there is no such role"""
CONNECT_SECONDS = 5
STATEMENT_MILLISECONDS = 5000
REPORTED = (
    "default_transaction_isolation",
    "fsync",
    "full_page_writes",
    "synchronous_commit",
    "idle_session_timeout",
    "TimeZone",
)
NUMBERS = """
SELECT current_setting('server_version_num')::int, current_setting('server_version'),
       current_setting('max_connections')::int,
       current_setting('superuser_reserved_connections')::int
         + coalesce(current_setting('reserved_connections', true)::int, 0),
       (SELECT datconnlimit FROM pg_database WHERE datname = current_database()),
       (SELECT count(*) FROM pg_stat_activity
         WHERE datname IS NOT NULL AND pid <> pg_backend_pid()
           AND (usename = ANY(%(roles)s)) IS NOT TRUE),
       (SELECT count(*) FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid()
           AND (usename = ANY(%(roles)s)) IS NOT TRUE),
       coalesce((SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND ssl), ''),
       (SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user),
       ARRAY(SELECT extname::text FROM pg_extension)
"""
RIGHTS = """
SELECT rolname, rolconnlimit, rolsuper,
       has_database_privilege(oid, current_database(), 'CONNECT'),
       has_schema_privilege(oid, 'public', 'USAGE'),
       has_schema_privilege(oid, 'public', 'CREATE'),
       has_database_privilege(oid, current_database(), 'CREATE'),
       pg_has_role(oid, 'pg_monitor', 'MEMBER'), coalesce(rolconfig, '{}')
  FROM pg_roles WHERE rolname = ANY(%(roles)s)
"""
HANDED_ON = """
SELECT DISTINCT defaclobjtype FROM pg_default_acl, aclexplode(defaclacl) AS given
 WHERE defaclnamespace = 0
   AND defaclrole = (SELECT oid FROM pg_roles WHERE rolname = %(owner)s)
   AND given.grantee = (SELECT oid FROM pg_roles WHERE rolname = %(app)s)
"""
SUPERUSERS_SETTINGS = """
SELECT name FROM pg_settings WHERE context IN ('superuser', 'superuser-backend')
"""


@dataclass(frozen=True)
class Role:
    """One of the stack's roles, as it is there."""

    limit: int
    """connections; -1 for no limit"""
    superuser: bool
    connects: bool
    uses_schema: bool
    creates_in_schema: bool
    creates_schemas: bool
    monitors: bool
    settings: list[str]
    """name=value, of ALTER ROLE"""


@dataclass(frozen=True)
class Granted:
    """What was answered."""

    version_number: int
    version: str
    max_connections: int
    reserved: int
    database_limit: int
    """-1 for no limit"""
    others: int
    others_here: int
    """in this database"""
    tls: str
    """version of the protocol; empty for none"""
    may_create_roles: bool
    extensions: list[str]
    roles: dict[str, Role]
    handed_on: frozenset[str]
    """kinds of objects of which the owner's new ones are open to pages, as in pg_default_acl"""
    superusers_settings: frozenset[str]
    reported: dict[str, str]

    def connections(self, pages: str) -> Grants:
        """How many are granted; `pages` is the role that pages work as."""
        role = self.roles.get(pages)
        return Grants(
            major=self.version_number // 10_000,
            max_connections=self.max_connections,
            reserved=self.reserved,
            database_limit=self.database_limit,
            role_limit=role.limit if role else UNLIMITED,
            others=self.others,
            others_here=self.others_here,
        )


def reader(place: DatabaseUrl, password: str) -> Any:
    """A connection of the login that can only read. Raises ProbeError."""
    connection = connect(place, place.user, password)
    connection.set_session(readonly=True, autocommit=True)
    return connection


def connect(place: DatabaseUrl, user: str, password: str) -> Any:
    """A connection. Raises ProbeError with the reason and the remedy."""
    try:
        return psycopg2.connect(
            host=place.host,
            port=place.port,
            user=user,
            dbname=place.database,
            password=password,
            sslmode=place.sslmode,
            sslrootcert=place.sslrootcert,
            require_auth="scram-sha-256",
            connect_timeout=CONNECT_SECONDS,
            application_name="preflight",
            options=f"-c statement_timeout={STATEMENT_MILLISECONDS}",
        )
    except psycopg2.OperationalError as error:
        said = " ".join(str(error).split()) or "no answer"
        raise ProbeError(f"{place.text}: {said}. {_remedy(said)}") from None


def _remedy(said: str) -> str:
    """What to do about it, by libpq's and the server's words."""
    for words, remedy in (
        (REFUSED, "Fix the login in the URL or the password in the file."),
        ("certificate verify failed", "Name its authority: sslrootcert."),
        ("does not match host name", "Use the name that its certificate carries."),
        ("authentication method requirement", "Have it store and ask for SCRAM-SHA-256."),
        ("does not exist", "Fix the name in the URL, or have it created."),
        ("does not support SSL", "Have TLS switched on there: nothing goes there in the clear."),
        ("connection slots", "All of its connections are taken: free some, or raise its limit."),
        (
            "too many connections",
            "All of its connections are taken: free some, or raise its limit.",
        ),
    ):
        if words in said:
            return remedy
    return "Fix host and port in the URL, and check that a firewall lets this machine through."


def ask(connection: Any, names: Roles) -> Granted:
    """Raises ProbeError when it does not answer."""
    roles = [names.app, names.owner, names.monitor]
    try:
        with connection.cursor() as cursor:
            cursor.execute(NUMBERS, {"roles": roles})
            numbers = cursor.fetchone()
            cursor.execute(RIGHTS, {"roles": roles})
            rights = {name: Role(*row) for name, *row in cursor.fetchall()}
            cursor.execute(HANDED_ON, {"owner": names.owner, "app": names.app})
            handed_on = frozenset(kind for (kind,) in cursor.fetchall())
            cursor.execute(SUPERUSERS_SETTINGS)
            closed = frozenset(name for (name,) in cursor.fetchall())
            reported = {}
            for name in REPORTED:
                cursor.execute("SELECT current_setting(%s, true)", [name])
                reported[name] = cursor.fetchone()[0] or "unknown"
    except psycopg2.Error as error:
        said = " ".join(str(error).split())
        raise ProbeError(f"it was reached, and did not answer: {said}. Try again.") from None
    answers: list[Any] = [*numbers, rights, handed_on, closed, reported]
    return Granted(*answers)
