"""What other packages do to a session, by the name that a project imports."""

from __future__ import annotations

from typing import NamedTuple


class Use(NamedTuple):
    """A hazard of calling something of a package, unless it is given an argument that makes it
    harmless."""

    hazard: str
    harmless_with: str = ""
    """keyword argument that makes it harmless when it is true"""


CALLS = {
    "django_pglocks.advisory_lock": Use("H020"),
    "pglock.advisory": Use("H020", harmless_with="xact"),
    "pglock.utils.advisory": Use("H020", harmless_with="xact"),
    "django_advisory_lock.advisory_lock": Use("H020"),
    "sqlalchemy_utils.functions.advisory_lock": Use("H020"),
    "django_tenants.utils.schema_context": Use("H045"),
    "django_tenants.utils.tenant_context": Use("H045"),
    "tenant_schemas.utils.schema_context": Use("H045"),
    "tenant_schemas.utils.tenant_context": Use("H045"),
    "psqlextra.schema.postgres_temporary_schema": Use("H007"),
    "psqlextra.settings.postgres_set_local": Use("H010"),
    "django_pgpubsub.listeners.listen": Use("H019"),
    "pgpubsub.listen.listen": Use("H019"),
}
"""by the full name of what is called"""
APPS = {"django_tenants": "H045", "tenant_schemas": "H045", "django_pgschemas": "H045"}
"""by the name in INSTALLED_APPS"""
