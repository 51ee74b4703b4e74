"""Django settings of a strategy: the demo's or the project's own, with another alias `default`.
LAB_STRATEGY names it."""

import importlib
import importlib.util
import os
import sys

from loadtest.lab.changes import CHANGES
from loadtest.lab.paths import PACKAGES
from loadtest.lab.strategies import STRATEGIES, mysql
from loadtest.lab.strategies.of_project import as_the_projects
from pgstack.planning.state import current_plan

name = os.environ["LAB_STRATEGY"]
chosen = CHANGES[name].strategy if name in CHANGES else STRATEGIES[name]
project = current_plan().project

# Django takes psycopg 3 when it can import it. A project that has it runs on it throughout; all
# others run on psycopg2, the driver that the stack ships, in all strategies that are not about
# psycopg 3, so that they differ in nothing else.
if chosen.driver != "psycopg" and not (project and importlib.util.find_spec("psycopg")):
    sys.modules["psycopg"] = None  # type: ignore[assignment]
if project:
    sys.path.append(str(PACKAGES))  # last: the project's own versions win
if chosen.driver == "mysql":
    spec = importlib.util.spec_from_file_location("MySQLdb", mysql.DRIVER / "__init__.py")
    assert spec
    assert spec.loader
    sys.modules["MySQLdb"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules["MySQLdb"])

own = importlib.import_module("pgstack.overlay.settings" if project else "config.settings")
globals().update({each: getattr(own, each) for each in dir(own) if each.isupper()})

default = chosen.database(current_plan())
if project:
    default = as_the_projects(default, own.DATABASES["default"])
DATABASES = {**own.DATABASES, "default": default}
globals().update(chosen.settings(dict(globals())))
chosen.patch()
