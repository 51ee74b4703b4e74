"""Projects to deploy: the demo without this checkout's own app, changed as a test wants it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from host_image import CHECKOUT

MARK = "/mark"
"""address that tells which version answers"""


def make(directory: Path, version: str) -> Path:
    """A project of its own below `directory`, whose /mark answers with `version`; it requires no
    more than the demo."""
    for name in ("config", "demo"):
        shutil.copytree(
            CHECKOUT / "app" / name, directory / name, ignore=shutil.ignore_patterns("__pycache__")
        )
    (directory / "who.py").write_text(WHO)
    urls = directory / "config/urls.py"
    urls.write_text(f"{urls.read_text()}{MARKED.format(version=version)}")
    return directory


SCHEDULE = (
    "good=monthly 1 00:00 manage.py check; bad=daily 04:00 python -c 'raise SystemExit(3)'; "
    "slow:2s=weekly mon 04:00 sleep 60; who=monthly 2 00:00 python who.py; "
    "large:50MB=monthly 3 00:00 python -c 'bytes(range(256)) * 1_000_000'"
)
"""what it is to run at set times"""
WHO = """import os
import pwd

import django
from django.db import connection

django.setup()
with connection.cursor() as cursor:
    cursor.execute("SELECT current_setting('statement_timeout')")
    told = connection.settings_dict["NAME"], cursor.fetchone()[0]
print(*told, pwd.getpwuid(os.geteuid()).pw_name, os.getcwd())
"""

MARKED = """
from django.http import HttpResponse

urlpatterns.insert(0, path("mark", lambda request: HttpResponse("{version}")))
"""


def raise_at_import(project: Path) -> None:
    """Its WSGI file cannot be imported."""
    wsgi = project / "config/wsgi.py"
    wsgi.write_text(f'{wsgi.read_text()}\nraise RuntimeError("no such luck")\n')


def answer_with_errors(project: Path) -> None:
    """Its front page raises."""
    front = project / "demo/views/front.py"
    raising = 'def front(request):\n    raise KeyError("lost")\n\n\ndef _('
    front.write_text(front.read_text().replace("def front(", raising, 1))


def fail_to_migrate(project: Path) -> None:
    """Its next migration is refused by the database."""
    (project / "demo/migrations/0099_bad.py").write_text(BAD_MIGRATION)


BROKEN = {
    "raises at import": (raise_at_import, "no such luck"),
    "answers with errors": (answer_with_errors, "500"),
    "fails to migrate": (fail_to_migrate, "no_such_table"),
}
"""how a release does not work → what breaks it, and what the refusal says"""
BROKEN_CASES = [
    pytest.param(name, marks=[] if name == "answers with errors" else pytest.mark.slow)
    for name in BROKEN
]
"""One of them shows before each merge that the way back loses nothing; each takes most of a minute."""

BAD_MIGRATION = """from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("demo", "{last}")]
    operations = [migrations.RunSQL("ALTER TABLE no_such_table ADD COLUMN x int")]
""".replace("{last}", max(path.stem for path in (CHECKOUT / "app/demo/migrations").glob("0*.py")))


def inputs(project: Path, **more: Any) -> dict[str, Any]:
    """What an inventory says of it."""
    return {"project": {"source": str(project), "commands": [["seed"]], **more}}
