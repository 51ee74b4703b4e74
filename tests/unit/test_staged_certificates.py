"""What mod_md has staged on a host: deleted once it is in force, and nothing else with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from fixtures.host_plan import host_plan
from stackctl import certificates

NAME = "shop.example"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store with a certificate in force."""
    put(tmp_path / "acme/domains" / NAME, "one")
    return tmp_path / "acme"


def put(directory: Path, text: str) -> None:
    directory.mkdir(parents=True)
    (directory / certificates.CERTIFICATE).write_text(text)


def forget(store: Path) -> None:
    certificates.forget_staged(host_plan(paths={"tls": str(store.parent)}, site={"hosts": [NAME]}))


@pytest.mark.parametrize(("text", "stays"), [("one", False), ("two", True)])
def test_a_staged_certificate_goes_once_it_is_in_force(store: Path, text: str, stays: bool) -> None:
    put(store / "staging" / NAME, text)
    forget(store)
    assert (store / "staging" / NAME).exists() == stays
    assert (store / "domains" / NAME / certificates.CERTIFICATE).read_text() == "one"


def test_one_that_is_still_asked_for_stays(store: Path) -> None:
    (store / "staging" / NAME).mkdir(parents=True)
    forget(store)
    assert (store / "staging" / NAME).is_dir()


def test_a_link_in_its_place_goes_and_not_what_it_leads_to(store: Path) -> None:
    (store / "staging").mkdir(mode=0o777)
    (store / "staging" / NAME).symlink_to(store / "domains" / NAME)
    (store / "staging").chmod(0o777)
    forget(store)
    assert not (store / "staging" / NAME).is_symlink()
    assert (store / "domains" / NAME / certificates.CERTIFICATE).read_text() == "one"


def test_nothing_is_there_to_forget(tmp_path: Path) -> None:
    forget(tmp_path / "acme")
