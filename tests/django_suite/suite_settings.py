"""Settings for Django's own test suite: both of its databases through PgBouncer, with
`pgstack.db`."""

from __future__ import annotations

import os
from typing import Any


def alias(name: str) -> dict[str, Any]:
    """One database, as the administrator: the suite makes databases and extensions."""
    return {
        "ENGINE": "pgstack.db",
        "NAME": name,
        "HOST": os.environ["SUITE_SOCKETS"],
        "PORT": "6432",
        "USER": "postgres",
        "CONN_MAX_AGE": None,
        "DISABLE_SERVER_SIDE_CURSORS": True,
        "PATIENCE_SECONDS": 1,
        "OPTIONS": {"application_name": "suite"},
    }


# No alias `direct`: with one, test databases would be used past the pooler.
DATABASES = {"default": alias("default"), "other": alias("other")}
TEST_RUNNER = "suite_runner.Runner"
SECRET_KEY = "tests"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
USE_TZ = False
