"""Which statement may be sent a second time, judged by its text.

Conservative: whatever is not recognised is not repeated. What a text cannot show (a view, a trigger
or an operator that acts outside of the transaction) is not seen.
"""

from __future__ import annotations

import re

PLAN_CHANGED = "cached plan must not change result type"
DID_NOT_RUN = re.compile(
    "server login has been failing|pgbouncer cannot connect|the database system is starting up|"
    f"the database system is shutting down|{PLAN_CHANGED}|due to conflict with recovery"
)
"""answers that say that nothing of the statement lasts: the pooler found no backend for it
(PostgreSQL's two are answers to a login), PostgreSQL refused its plan before executing it, or it
was in the way of what a standby replays, where nothing writes"""

_KINDS = re.compile(
    r"\s*(SELECT|INSERT|UPDATE|DELETE|MERGE|SAVEPOINT|LOCK|SET|SHOW|VALUES)\b", re.IGNORECASE
)
"""kinds of statements that last only when their transaction is committed"""
_SELECT = re.compile(r"\s*SELECT\b", re.IGNORECASE)
_WRITES = re.compile(r"\bINTO\b|\bFOR\s+(?:NO\s+KEY\s+|KEY\s+)?(?:UPDATE|SHARE)\b", re.IGNORECASE)
"""in a SELECT: it makes a table, or it locks rows"""
_COLUMNS = re.compile(r'\bINTO\s+[\w."]+\s*\(', re.IGNORECASE)
"""a table's columns, which look like a call"""
_CALL = re.compile(r'(\w+|")\s*\(')
_WORDS = (
    # words of the language
    "all and any array as between by case cast conflict distinct else except exists extract filter "
    "from group having "
    "in intersect is join lateral like not on or over partition select set some then union using "
    "values when where "
    # types
    "bit char character decimal interval numeric time timestamp varbit varchar "
    # functions without a side effect, those of Django's ORM first
    "abs array_agg avg bool_and bool_or ceil ceiling char_length coalesce concat concat_ws count "
    "cume_dist date "
    "date_part date_trunc dense_rank every first_value floor greatest json_agg jsonb_agg "
    "jsonb_array_length "
    "jsonb_build_object jsonb_object_agg lag last_value lead least left length lower lpad ltrim "
    "max md5 min mod "
    "now nth_value ntile nullif octet_length overlay percent_rank position power rank "
    "regexp_replace repeat replace "
    "reverse right round row row_number row_to_json rpad rtrim sign split_part sqrt "
    "statement_timestamp stddev_pop "
    "stddev_samp string_agg strpos substr substring sum to_char to_date to_jsonb to_timestamp "
    "to_tsvector trim trunc "
    "ts_rank unnest upper var_pop var_samp width_bucket"
    # those of PostGIS that GeoDjango uses, and vector tiles
    " st_3dextent st_area st_asbinary st_asewkb st_asewkt st_asgeojson st_asgml st_askml st_asmvt "
    "st_asmvtgeom st_assvg st_astext st_azimuth st_buffer st_centroid st_closestpoint st_collect "
    "st_contains st_containsproperly st_coveredby st_covers st_crosses st_difference st_disjoint "
    "st_distance st_distancesphere st_distancespheroid st_dwithin st_envelope st_equals st_extent "
    "st_geogfromwkb st_geohash st_geomfromewkb st_geomfromewkt st_geomfromtext st_intersection "
    "st_intersects st_isempty st_isvalid st_length st_makeenvelope st_makeline st_makepoint "
    "st_makevalid st_npoints st_numgeometries st_overlaps st_perimeter st_pointonsurface st_relate "
    "st_scale st_setsrid st_simplify st_snaptogrid st_srid st_symdifference st_tileenvelope "
    "st_touches st_transform st_translate st_union st_within st_x st_y st_z"
)
_HARMLESS = frozenset(_WORDS.split())
"""what may stand before a bracket; a function of another name may act outside of the transaction"""


def did_not_run(error: Exception) -> bool:
    """Whether the error proves that the server did not run the statement."""
    return DID_NOT_RUN.search(str(error)) is not None


def first_of_transaction(sql: str) -> bool:
    """Whether `sql`, as the first statement of a transaction that was never committed, leaves
    nothing behind."""
    return _KINDS.match(sql) is not None and _is_one(sql) and _calls_are_harmless(sql)


def plain_read(sql: str) -> bool:
    """Whether `sql`, in a transaction of its own, only reads: no lock, no new table, no function
    that may write."""
    return (
        _SELECT.match(sql) is not None and _WRITES.search(sql) is None and first_of_transaction(sql)
    )


def _is_one(sql: str) -> bool:
    """One statement; among several there could be a COMMIT."""
    return ";" not in sql.rstrip().rstrip(";")


def _calls_are_harmless(sql: str) -> bool:
    return all(name.lower() in _HARMLESS for name in _CALL.findall(_COLUMNS.sub(" ", sql)))
