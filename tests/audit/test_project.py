"""What Django's settings say: hazards, system checks, and what they mean for the audit of a foreign
project."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pgstack.audit import discover
from pgstack.audit.finding import Finding
from pgstack.audit.run import Settings, audit
from pgstack.hazards.databases import hazards_of

APP = Path(__file__).resolve().parents[2] / "app"
SAFE: dict[str, Any] = {
    "ENGINE": "django.db.backends.postgresql",
    "NAME": "app",
    "CONN_MAX_AGE": None,
    "DISABLE_SERVER_SIDE_CURSORS": True,
    "OPTIONS": {"application_name": "web"},
}
ITERATOR = "from app.models import Account\nrows = list(Account.objects.iterator())\n"


@pytest.mark.parametrize(
    ("change", "hazards"),
    [
        ({}, []),
        ({"DISABLE_SERVER_SIDE_CURSORS": False}, ["H001", "H002", "H003"]),
        ({"CONN_MAX_AGE": 0}, ["H042"]),
        ({"CONN_HEALTH_CHECKS": True}, ["H042"]),
        ({"ENGINE": "pgstack.db", "CONN_HEALTH_CHECKS": True}, []),
        ({"ENGINE": "django_tenants.postgresql_backend"}, ["H045"]),
        ({"ENGINE": "dj_db_conn_pool.backends.postgresql"}, ["H044"]),
        ({"OPTIONS": {"application_name": "a", "assume_role": "b"}}, ["H012"]),
        ({"OPTIONS": {"application_name": "a", "server_side_binding": True}}, []),
    ],
)
def test_each_setting_of_an_alias_shows_its_hazard(
    change: dict[str, Any], hazards: list[str]
) -> None:
    assert [hazard for hazard, _ in hazards_of({**SAFE, **change}, "UTC")] == hazards


def test_a_time_zone_other_than_utc_is_a_hazard() -> None:
    assert list(hazards_of(SAFE, "Europe/Berlin")) == [
        ("H017", "the connection's time zone is 'Europe/Berlin'")
    ]


def test_iterators_are_harmless_without_cursors_on_the_server(tmp_path: Path) -> None:
    path = tmp_path / "views.py"
    path.write_text(ITERATOR)
    assert [finding.hazard for finding in audit([path], tmp_path).findings] == ["H001"]
    assert audit([path], tmp_path, Settings(cursors_off=True)).findings == []


def test_settings_that_are_written_out_count_when_they_cannot_be_imported(tmp_path: Path) -> None:
    (tmp_path / "views.py").write_text(ITERATOR)
    (tmp_path / "migrations").mkdir()
    (tmp_path / "migrations" / "0001.py").write_text(
        "from django.db import migrations\nmigrations.RunSQL('SET ROLE a')\n"
    )
    settings, paths = tmp_path / "settings.py", discover.files([tmp_path])
    assert [finding.hazard for finding in audit(paths, tmp_path).findings] == ["H012", "H001"]
    settings.write_text(f"DATABASES = {{'default': {SAFE!r}, 'direct': {SAFE!r}}}\n")
    assert audit([*paths, settings], tmp_path).findings == []
    settings.write_text("DATABASES = make_databases()\n")
    assert [finding.hazard for finding in audit([*paths, settings], tmp_path).findings] == [
        "H012",
        "H001",
    ]


def test_findings_of_the_settings_are_part_of_the_report(tmp_path: Path) -> None:
    finding = Finding("settings.py", 3, "H040", "ATOMIC_REQUESTS = True")
    assert audit([], tmp_path, Settings((finding,))).findings == [finding]


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """A project that has only installed pgstack."""
    databases = {"default": {**SAFE, "DISABLE_SERVER_SIDE_CURSORS": False, "ATOMIC_REQUESTS": True}}
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__init__.py").write_text("")
    (tmp_path / "shop" / "views.py").write_text(ITERATOR)
    (tmp_path / "settings.py").write_text(
        f"from pathlib import Path\nBASE_DIR = Path(__file__).parent\nINSTALLED_APPS = ['pgstack', "
        f"'shop']\n"
        f"SECRET_KEY = 'x'\nUSE_TZ = True\nDATABASES = {databases!r}\n"
    )
    return tmp_path


def manage(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{project}:{APP}",
        "DJANGO_SETTINGS_MODULE": "settings",
    }
    command = [sys.executable, "-m", "django", *arguments]
    return subprocess.run(
        command,
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_foreign_project_is_audited_with_its_settings(foreign: Path) -> None:
    done = manage(foreign, "stack_audit", "--json")
    assert (done.returncode, done.stderr) == (1, "")
    report = json.loads(done.stdout)
    findings = [
        (finding["hazard"], finding["path"], finding["line"]) for finding in report["findings"]
    ]
    settings = [(hazard, "settings.py", 6) for hazard in ("H001", "H002", "H003", "H036", "H040")]
    assert findings == [*settings, ("H001", "shop/views.py", 2)]
    assert report["settings"] == "Settings read: default judged as pooled."


SPREAD = """from pathlib import Path
BASE_DIR = Path(__file__).parent
SECRET_KEY = "x"
USE_TZ = True
INSTALLED_APPS = [
    "pgstack",
    "django.contrib.contenttypes",
]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "shop",
        "CONN_MAX_AGE": None,
        "ATOMIC_REQUESTS": True,
        "OPTIONS": {
            "application_name": "web",
            "options": "-c statement_timeout=1000",
        },
    },
}
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
"""
LINES = {"H001": 10, "H002": 10, "H003": 10, "H028": 17, "H036": 9, "H040": 14, "H042": 21}


def test_a_finding_of_the_settings_stands_once_at_the_line_of_its_key(tmp_path: Path) -> None:
    (tmp_path / "settings.py").write_text(SPREAD)
    report = json.loads(manage(tmp_path, "stack_audit", "--json").stdout)
    assert sorted((finding["hazard"], finding["line"]) for finding in report["findings"]) == sorted(
        LINES.items()
    )
    assert {finding["path"] for finding in report["findings"]} == {"settings.py"}


def test_a_setting_is_found_in_the_module_that_it_comes_from(tmp_path: Path) -> None:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf/base.py").write_text(SPREAD)
    (tmp_path / "conf/unused.py").write_text(SPREAD)
    (tmp_path / "settings.py").write_text("from conf.live import *\n")
    (tmp_path / "conf/live.py").write_text("from conf.base import *\nDEBUG = False\n")
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{tmp_path}:{APP}",
        "DJANGO_SETTINGS_MODULE": "conf.live",
    }
    command = [sys.executable, "-m", "django", "stack_audit", "--json", "--project-only"]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    places = {
        (finding["path"], finding["line"])
        for finding in json.loads(done.stdout)["findings"]
        if finding["hazard"] == "H040"
    }
    assert places == {("base.py", 14)}


def test_a_project_that_is_an_installed_package_is_audited_alone(tmp_path: Path) -> None:
    packages = tmp_path / "lib/site-packages"
    for name in ("shop", "other"):
        (packages / name).mkdir(parents=True)
        (packages / name / "__init__.py").touch()
        (packages / name / "views.py").write_text(ITERATOR)
    text = SPREAD.replace("Path(__file__).parent", "Path(__file__).parent.parent")
    (packages / "shop/settings.py").write_text(text)
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{packages}:{APP}"}
    environment["DJANGO_SETTINGS_MODULE"] = "shop.settings"
    command = [sys.executable, "-m", "django", "stack_audit", "--json"]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    report = json.loads(done.stdout)
    assert {finding["path"] for finding in report["findings"]} == {"settings.py", "views.py"}
    assert report["files"] == 3


def test_the_system_checks_say_the_same_of_the_settings(foreign: Path) -> None:
    done = manage(foreign, "check", "--tag", "stack")
    assert done.returncode == 1
    for expected in (
        "(stack.E001)",
        "(stack.W036)",
        "(stack.W040)",
        "HINT: Set `DISABLE_SERVER_SIDE_CURSORS`",
    ):
        assert expected in done.stderr
    assert "stack.E012" not in done.stderr


def test_this_project_has_no_finding() -> None:
    done = subprocess.run(
        [sys.executable, "app/manage.py", "stack_audit", "--fail-on", "notice"],
        cwd=APP.parent,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout
