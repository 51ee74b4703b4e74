"""SQL that makes the stack's roles, for whoever may run it. It holds no password."""

from __future__ import annotations

from collections.abc import Mapping

from pgstack.external.grants import Granted
from pgstack.planning.plan import Plan

HANDED_ON = frozenset("nrS")
"""kinds of what the owner makes that pages may use: schemas, tables, sequences (pg_default_acl)"""


def missing(
    plan: Plan, granted: Granted, database: str, verifiers: Mapping[str, str] | None = None
) -> list[str]:
    """Statements that are left to run; none when everything is there.

    `verifiers` of passwords are those of roles that are to have another one; where there is none
    for a role that has to be made, psql asks for its password.
    """
    known = verifiers or {}
    app, owner, monitor = plan.roles.app, plan.roles.owner, plan.roles.monitor
    wanted = {app: plan.postgres.app_settings, owner: plan.postgres.owner_settings, monitor: {}}
    lines: list[str] = []
    for role, settings in wanted.items():
        there = granted.roles.get(role)
        if there is None:
            lines.append(f"CREATE ROLE {role} LOGIN;")
        if role in known:
            lines.append(f"ALTER ROLE {role} PASSWORD '{known[role]}';")
        elif there is None:
            lines.append(f"\\password {role}")
        lines += _settings(role, settings, granted)
    if not _complete(granted, app, owner, monitor):
        lines += _rights(app, owner, monitor, database)
    lines += [
        f'CREATE EXTENSION "{name}" CASCADE;'
        for name in plan.postgres.extensions
        if name not in granted.extensions
    ]
    return lines


def _settings(role: str, wanted: dict[str, str], granted: Granted) -> list[str]:
    there = granted.roles.get(role)
    pairs = [item.split("=", 1) for item in there.settings] if there else []
    has = {name.lower(): value for name, value in pairs}
    return [
        f"ALTER ROLE {role} SET {name} = '{value}';"
        for name, value in wanted.items()
        if has.get(name.lower()) != value and name not in granted.superusers_settings
    ]


def _complete(granted: Granted, app: str, owner: str, monitor: str) -> bool:
    roles = granted.roles
    if not {app, owner, monitor} <= set(roles):
        return False
    return (
        all(roles[name].connects for name in (app, owner, monitor))
        and roles[app].uses_schema
        and roles[owner].creates_in_schema
        and roles[owner].creates_schemas
        and roles[monitor].monitors
        and granted.handed_on >= HANDED_ON
    )


def _rights(app: str, owner: str, monitor: str, database: str) -> list[str]:
    name = '"' + database.replace('"', '""') + '"'
    every = f"ALTER DEFAULT PRIVILEGES FOR ROLE {owner} GRANT"
    return [
        f"GRANT CONNECT ON DATABASE {name} TO {app}, {owner}, {monitor};",
        f"GRANT CREATE, TEMPORARY ON DATABASE {name} TO {owner};",
        f"GRANT USAGE, CREATE ON SCHEMA public TO {owner};",
        f"GRANT USAGE ON SCHEMA public TO {app};",
        f"GRANT {owner} TO CURRENT_USER;",
        f"{every} USAGE ON SCHEMAS TO {app};",
        f"{every} SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON TABLES TO {app};",
        f"{every} SELECT, UPDATE, USAGE ON SEQUENCES TO {app};",
        f"GRANT pg_monitor TO {monitor};",
    ]
