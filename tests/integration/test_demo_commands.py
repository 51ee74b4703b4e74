"""The demo's commands and entry point, in the environment of the running stack."""

from __future__ import annotations

from typing import Any

import requests


def account_balances(url: str) -> list[dict[str, Any]]:
    with requests.Session() as session:
        session.trust_env = False
        accounts: list[dict[str, Any]] = session.get(f"{url}/ledger/accounts", timeout=10).json()[
            "accounts"
        ]
    return accounts


def test_seed_can_be_repeated_and_leaves_the_balances_alone(stack: Any) -> None:
    before = account_balances(stack.url)
    done = stack.manage("seed")
    assert done.returncode == 0, done.stderr
    assert "10000/10000 0 new" in done.stdout
    assert "12/12       0 new" in done.stdout
    assert "100/100     0 new" in done.stdout
    assert account_balances(stack.url) == before


def test_seed_refuses_fewer_worlds_than_the_pages_read(stack: Any) -> None:
    refused = stack.manage("seed", "--worlds", "9999")
    assert refused.returncode == 2
    assert "'9999' is not a whole number from 10,000" in refused.stderr


def test_deployment_checks_are_clean_without_tls(stack: Any) -> None:
    plain = stack.manage("check", "--deploy", "--fail-level", "WARNING")
    assert plain.returncode == 0, plain.stderr


def test_models_and_migrations_agree(stack: Any) -> None:
    compared = stack.manage("makemigrations", "--check", "--dry-run")
    assert compared.returncode == 0, compared.stdout


# Started through a release's link, as Apache starts it; then the link moves to another release.
RELEASE = """
import pathlib, runpy, sys, tempfile
real = pathlib.Path(sys.modules["config"].__file__).resolve().parents[1]
link = pathlib.Path(tempfile.mkdtemp()) / "current"
link.symlink_to(real)
sys.path[:] = [str(link), *(entry for entry in sys.path if entry and pathlib.Path(entry).resolve() != real)]
application = runpy.run_path(str(link / "config" / "wsgi.py"))["application"]
print("first:", sys.path[0] == str(real), "link:", str(link) in sys.path, "callable:", callable(application))
"""


def test_a_running_process_does_not_follow_the_link_of_a_new_release(stack: Any) -> None:
    ran = stack.manage("shell", "-c", RELEASE)
    assert ran.stdout.splitlines()[-1:] == ["first: True link: False callable: True"], ran.stderr
