"""What an inventory says of a host and its project is refused by name before anything is asked of
the host."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pgstack import environment_file
from pgstack.errors import InputError
from pgstack.targets.host import inventory, project, release

MACHINE = {"cores": 2, "memory": 2 * 1024**3, "debian": 12, "open_files": 65536}
PLANNED = {
    "bad value": (
        {"port": 99999},
        ("STACK_PORT=99999", "less than or equal to 65535", "port Apache listens on"),
    ),
    "bad name": ({"firewall": "perhaps"}, ("STACK_FIREWALL=perhaps", "'on' or 'off'")),
    "unsound": ({"memory": "100m"}, ("memory", "STACK_MEMORY=", "is enough")),
}
HIDDEN = "not-to-be-shown"
PYTHON = "3.11"
GIT = f"https://shop:{HIDDEN}@git.example/shop.git"
SHOP = {"source": GIT, "directory": "shop", "requirements": "requirements.txt"}
NAMED = {
    "unknown": ({"sauce": "x"}, ("stack_inputs.project: sauce: unknown", "source")),
    "nothing there": (
        {"source": "/no/such/shop"},
        ("/no/such/shop", "no directory, no archive", "Name one"),
    ),
    "above": (
        {**SHOP, "directory": "../x"},
        ("stack_inputs.project.directory: ../x: not below the source",),
    ),
    "a line for words": (
        {**SHOP, "build": ["npm ci"]},
        ("stack_inputs.project.build: 'npm ci': not the words of a command", "[[npm, ci]"),
    ),
    "no source": ({"version": "v1"}, ("source is missing. Name a directory",)),
}


def require_words(error: pytest.ExceptionInfo[InputError], words: tuple[str, ...]) -> None:
    for word in words:
        assert word in str(error.value)
    assert HIDDEN not in str(error.value)


@pytest.mark.parametrize("case", PLANNED)
def test_inputs_that_cannot_be_planned_are_refused(case: str) -> None:
    inputs, words = PLANNED[case]
    with pytest.raises(InputError) as error:
        inventory.plan({"hosts": ["shop.example"], **inputs}, MACHINE)
    require_words(error, words)


@pytest.mark.parametrize("case", NAMED)
def test_a_project_that_cannot_be_is_refused(case: str) -> None:
    named, words = NAMED[case]
    with pytest.raises(InputError) as error:
        project.of_inputs({"project": named}, "")
    require_words(error, words)


@pytest.mark.parametrize("name", ["../environment", "SHOP TOKEN", ""])
def test_a_secret_in_a_file_has_the_name_of_a_variable(name: str) -> None:
    with pytest.raises(InputError) as error:
        project.credentials({name: HIDDEN}, "/etc/stack-secrets/credentials")
    require_words(error, ("stack_inputs.project.credentials", name, "not the name of a variable"))


def test_a_variable_is_not_open_and_secret_at_once() -> None:
    with pytest.raises(InputError) as error:
        project.of_inputs(
            {"project": {"environment": {"SHOP_KEY": "a"}, "secrets": {"SHOP_KEY": HIDDEN}}}, ""
        )
    require_words(
        error, ("stack_inputs.project: SHOP_KEY: in environment and in secrets. Name it once.",)
    )


@pytest.fixture
def shop(tmp_path: Path) -> tuple[dict[str, Any], Path]:
    """A project that has been fetched."""
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop/manage.py").touch()
    return project.of_inputs({"project": SHOP}, ""), tmp_path / "shop"


def test_a_release_without_what_was_named_is_refused_and_no_password_is_shown(
    shop: tuple[dict[str, Any], Path],
) -> None:
    project, place = shop
    with pytest.raises(InputError) as error:
        release.of_project({**project, "requirements": "requirements.txt"}, str(place), PYTHON)
    require_words(
        error,
        (
            (
                "requirements.txt: not in https://git.example/shop.git, directory shop. Name one that "
                "is"
            ),
        ),
    )
    with pytest.raises(InputError) as error:
        release.of_project(project, str(place / "none"), PYTHON)
    require_words(
        error, ("directory: shop: no directory of https://git.example/shop.git", "manage.py")
    )


def test_a_release_is_named_by_what_is_in_it(shop: tuple[dict[str, Any], Path]) -> None:
    project, place = shop
    (place / "requirements.txt").touch()
    first = release.of_project(project, str(place), PYTHON)
    assert release.of_project(project, str(place), PYTHON) == first
    assert sorted(first["theirs"]) == ["manage.py", "requirements.txt"]
    assert release.of_project(project, str(place), "3.13")["id"] != first["id"]
    (place / "manage.py").write_text("pass\n")
    assert release.of_project(project, str(place), PYTHON)["id"] != first["id"]


def test_releases_share_an_environment_that_only_their_requirements_decide(
    shop: tuple[dict[str, Any], Path],
) -> None:
    project, place = shop
    (place / "requirements.txt").write_text("wagtail\n")
    first = environment(project, place)
    (place / "manage.py").write_text("pass\n")
    assert environment(project, place) == first != ""
    (place / "requirements.txt").write_text("wagtail<8\n")
    assert environment(project, place) not in ("", first)


def environment(project: dict[str, Any], place: Path, **more: Any) -> str:
    return str(release.of_project({**project, **more}, str(place), PYTHON)["environment"])


def test_a_release_has_its_own_environment_where_more_decides_it(
    shop: tuple[dict[str, Any], Path],
) -> None:
    """Commands that build may write into it; a place, or a link out of the project, may change."""
    project, place = shop
    requirements, beside = place / "requirements.txt", place.parent / "beside.txt"
    requirements.touch()
    assert environment(project, place, build=[["npm", "ci"]]) == ""
    requirements.write_text("-e .\n")
    assert environment(project, place) == ""
    requirements.unlink()
    beside.touch()
    requirements.symlink_to(beside)
    assert environment(project, place) == ""


@pytest.mark.parametrize(
    "value", ["pa$$w${HOME}rd", "ab #cd", 'N"L $1', "it's 42", r"C:\new", r"a\`b", "`id`", ""]
)
def test_a_value_of_the_inventory_arrives_as_it_is(value: str) -> None:
    """systemd reads the same of it: tests/host/test_sources.py."""
    assert environment_file.parse(project.environment({"A": value})) == {"A": value}
