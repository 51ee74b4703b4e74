"""Indexes in the order of another version of a library than the one that is there: queries by them
miss rows, and duplicates get in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

COLLATIONS = """
    SELECT 'default', coalesce(datcollversion, ''),
           coalesce(pg_database_collation_actual_version(oid), '')
      FROM pg_database WHERE datname = current_database()
    UNION ALL
    SELECT format('%I.%I', collnamespace::regnamespace, collname), coalesce(collversion, ''),
           coalesce(pg_collation_actual_version(oid), '')
      FROM pg_collation WHERE oid <> 100"""
"""name, version that its indexes were built with, version of the library. pg_upgrade makes those of
pg_catalog anew, so the new server does not see that they differ."""
SORTED = """
    SELECT DISTINCT x.indexrelid::regclass::text,
           CASE c.oid WHEN 100 THEN 'default'
                      ELSE format('%I.%I', c.collnamespace::regnamespace, c.collname) END
      FROM pg_index AS x
      JOIN pg_class AS i ON i.oid = x.indexrelid AND i.relkind = 'i'
     CROSS JOIN LATERAL unnest(x.indcollation) AS used (oid)
      JOIN pg_collation AS c ON c.oid = used.oid
     WHERE i.relnamespace NOT IN ('pg_catalog'::regnamespace, 'pg_toast'::regnamespace)"""
"""indexes, named in full where the search path is empty, and the collations that they sort by"""


def out_of_order(
    before: Sequence[Sequence[Any]],
    after: Sequence[Sequence[Any]],
    indexes: Sequence[Sequence[Any]],
) -> list[tuple[str, str]]:
    """Indexes that were sorted by another version of a collation than the library's, and that
    collation. The first two are rows of COLLATIONS, of a server before and after an upgrade or
    twice of one, the last those of SORTED."""
    built = {name: recorded for name, recorded, _ in before}
    other = {
        name for name, _, actual in after if built.get(name) and actual and built[name] != actual
    }
    return sorted({(index, collation) for index, collation in indexes if collation in other})
