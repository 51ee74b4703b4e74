"""GeoDjango's PostGIS backend with all that `pgstack.db` adds to Django's PostgreSQL backend.

psycopg 3 looks up the numbers of PostGIS's types when an alias connects the first time, in a
transaction each, so any backend answers. They are the database's own, so all backends agree.
"""

from __future__ import annotations

from django.contrib.gis.db.backends.postgis import base as postgis

from pgstack.db import base


class DatabaseWrapper(base.DatabaseWrapper, postgis.DatabaseWrapper):
    """One alias; see `pgstack.db.base`."""
