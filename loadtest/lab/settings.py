"""Django settings of a strategy: the demo's own, with another alias `default`. LAB_STRATEGY names
it."""

import importlib.util
import os
import sys

from loadtest.lab.changes import CHANGES
from loadtest.lab.strategies import STRATEGIES, mysql

NAME = os.environ["LAB_STRATEGY"]
CHOSEN = CHANGES[NAME].strategy if NAME in CHANGES else STRATEGIES[NAME]

# Django takes psycopg 3 when it can import it. All strategies that are not about psycopg 3 run on
# psycopg2, the driver that the stack ships, so that they differ in nothing else.
if CHOSEN.driver != "psycopg":
    sys.modules["psycopg"] = None  # type: ignore[assignment]
if CHOSEN.driver == "mysql":
    spec = importlib.util.spec_from_file_location("MySQLdb", mysql.DRIVER / "__init__.py")
    assert spec
    assert spec.loader
    sys.modules["MySQLdb"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules["MySQLdb"])

from config.settings import *  # noqa: E402, F403 - the driver is chosen first
from pgstack import settings as stack  # noqa: E402
from pgstack.planning.state import current_plan  # noqa: E402

DATABASES = {**stack.databases(), "default": CHOSEN.database(current_plan())}
globals().update(CHOSEN.settings(dict(globals())))
CHOSEN.patch()
