"""STACK_PACKAGES and STACK_EXTENSIONS: what is asked of Debian, and one message for each mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from pgstack.errors import InputError
from pgstack.planning import config, image_packages, packages, sizing
from pgstack.planning.hardware import Hardware
from pgstack.planning.plan import Plan
from pgstack.rendering import templates
from pgstack.targets.host import inventory

MACHINE = {"cores": 2, "memory": 2**31}


def plan(debian: int, **inputs: str) -> Plan:
    named = {f"STACK_{name.upper()}": text for name, text in inputs.items()}
    return sizing.plan(config.load(named), Hardware(debian=debian, **MACHINE))


def refusal(debian: int = 13, **inputs: str) -> str:
    with pytest.raises(InputError) as error:
        plan(debian, **inputs)
    assert len(str(error.value).splitlines()) == 1
    return str(error.value)


def test_each_release_has_its_own_packages_of_an_extension() -> None:
    for debian, server, libraries in (
        (12, ("postgresql-15-postgis-3",), ("libgdal32", "libgeos-c1v5")),
        (13, ("postgresql-17-postgis-3",), ("libgdal36", "libgeos-c1t64")),
    ):
        made = plan(debian, extensions="postgis, hstore", packages="gettext")
        assert made.postgres.extensions == ("postgis", "hstore")
        assert (made.packages.postgres, made.packages.web) == (server, ("gettext", *libraries))
        variables = {"STACK_EXTENSIONS": "postgis, hstore", "STACK_PACKAGES": "gettext"}
        assert image_packages.requested_packages("web", variables, debian) == made.packages.web
        assert image_packages.requested_packages("postgres", variables, debian) == server


def test_an_extension_is_made_by_the_administrator_before_migrations() -> None:
    made = plan(13, extensions="pgvector,uuid-ossp,vector")
    assert made.postgres.extensions == ("vector", "uuid-ossp")
    (script,) = [file for file in templates.files(made) if file.path.name == "roles.sql"]
    lines = [line for line in script.text.splitlines() if 'CREATE EXTENSION "' in line]
    assert [line.split('"')[1] for line in lines] == ["vector", "uuid-ossp"]


@pytest.mark.parametrize(
    ("debian", "text", "reason"),
    [
        (13, "postgi", "'postgi' is none of bloom, "),
        (13, 'hstore"; DROP', "is none of bloom, "),
        (13, "pg_cron", "pg_cron is refused: its jobs run past PgBouncer"),
        (12, "hstore,pgvector", "vector: Debian 12 has no package of it, Debian 13 has."),
    ],
)
def test_an_extension_that_cannot_be_had_is_refused(debian: int, text: str, reason: str) -> None:
    message = refusal(debian, extensions=text)
    assert message.startswith("STACK_EXTENSIONS=")
    assert reason in message


@pytest.mark.parametrize(
    "text", ["libmagic1;id", "$(id)", "-y", "apache2-bin-", "a/sid", "Gettext", "a b", "x="]
)
def test_what_is_no_package_reaches_no_command_line(text: str) -> None:
    assert "is not the name of a Debian package" in refusal(packages=text)
    with pytest.raises(ValueError, match=r"STACK_PACKAGES=.* is not the name"):
        packages.requested({"STACK_PACKAGES": text}, 13)
    project = {"source": str(Path(__file__).parent), "packages": [text]}
    with pytest.raises(InputError, match="is not the name"):
        inventory.plan({"project": project}, {"debian": 13, **MACHINE})


def test_a_host_takes_the_packages_of_its_project() -> None:
    planned = inventory.plan(
        {"project": {"packages": ["gettext", "g++"]}, "extensions": ["postgis"]},
        {"debian": 12, **MACHINE},
    )
    assert planned["packages"] == {
        "web": ["gettext", "g++", "libgdal32", "libgeos-c1v5"],
        "postgres": ["postgresql-15-postgis-3"],
    }


def test_packages_that_are_there_or_provided_are_not_missing() -> None:
    names = ["dpkg", "awk", "no-such-package"]  # awk: mawk's or gawk's
    assert packages.not_installed(names) == ["no-such-package"]
