"""What a project that reads its settings from the environment finds there, before it is imported."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

from pgstack import environment_file, layout
from pgstack import settings as stack
from pgstack.errors import InputError
from pgstack.plan import Plan

KEYS = ("SECRET_KEY", "DJANGO_SECRET_KEY")
"""names under which projects look for their key"""


def prepare(plan: Plan) -> None:
    """The variables of STACK_ENVIRONMENT, the address of the database, and a key; who sets one himself keeps it.

    DATABASE_URL is always the stack's: what a project makes of it besides DATABASES must reach the same database.
    Raises InputError for a file that cannot be read.
    """
    for name, value in _file(plan).items():
        os.environ.setdefault(name, value)
    os.environ["DATABASE_URL"] = database_url(plan)
    for name in KEYS:
        os.environ.setdefault(name, stack.secret_key())


def database_url(plan: Plan) -> str:
    """Address of the alias `default`, as dj-database-url, django-environ and libpq read it."""
    user = layout.own_login(plan, plan.pooler.web_login)
    host = quote(plan.paths.run_pooler, safe="")
    return f"postgres://{user}@{host}:{plan.pooler.port}/{plan.postgres.database}"


def _file(plan: Plan) -> dict[str, str]:
    path = plan.project.environment if plan.project else ""
    if not path:
        return {}
    try:
        return environment_file.parse(Path(path).read_text(encoding="utf-8"))
    except environment_file.LineError as error:
        raise InputError(f"STACK_ENVIRONMENT={path}: {error}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"STACK_ENVIRONMENT={path}: {error}. Make it readable for {_account()}.") from None


def _account() -> str:
    return layout.account_name(os.geteuid())
