"""STACK_DIR: what may not hold a stack is refused by name and left as it is; a stack's goes
whole."""

from __future__ import annotations

import pwd
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from fixtures.local_stack import LocalStack
from fixtures.machine import as_user, disk, require_root


def refusal(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 2, done.stdout + done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    return done.stderr.strip()


def snapshot(directory: Path) -> dict[str, bytes | None]:
    """Every path below, and the bytes of the files."""
    return {
        str(path): path.read_bytes() if path.is_file() else None
        for path in sorted(directory.rglob("*"))
    }


def _file(directory: Path) -> None:
    directory.rmdir()
    directory.write_text("not a directory")


def _foreign(directory: Path) -> None:
    (directory / "thesis.txt").write_text("ten years")


def _no_database(directory: Path) -> None:
    (directory / "data").mkdir()


def _other_database(directory: Path) -> None:
    (directory / "data").mkdir()
    (directory / "data/PG_VERSION").write_text("9\n")


def _directory_for_a_file(directory: Path) -> None:
    (directory / "conf/postgres/pgstack.conf").mkdir(parents=True)


def _file_for_a_directory(directory: Path) -> None:
    (directory / "log").write_text("")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_file, "STACK_DIR={0}: Not a directory. Set STACK_DIR to another directory."),
        (_foreign, "STACK_DIR={0}: it holds thesis.txt, which does not belong to a stack."),
        (_no_database, "{0}/data: holds no database. Move it away; `make up` makes a new one."),
        (_other_database, "{0}/data: a database of PostgreSQL 9, and the plan runs "),
        (_directory_for_a_file, "{0}/conf/postgres/pgstack.conf: Is a directory. Move it away"),
        (
            _file_for_a_directory,
            "{0}/log: File exists. Free the space, or move away what is there.",
        ),
    ],
)
def test_up_refuses_a_directory_that_it_cannot_use(
    unused: LocalStack, spoil: Callable[[Path], None], message: str
) -> None:
    spoil(unused.directory)
    before = snapshot(unused.directory)
    done = unused.manage("stack_local", "up")
    after = snapshot(unused.directory)
    if unused.directory.is_file():
        unused.directory.unlink()
    assert message.format(unused.directory) in refusal(done)
    assert {path: text for path, text in after.items() if path in before} == before
    assert not any(path.endswith((".new", "plan.json")) for path in after)
    assert unused.servers() == {}


def test_a_parent_that_is_missing_is_made(unused: LocalStack) -> None:
    nested = unused.directory / "no/stack"
    assert unused.manage("stack_render", STACK_DIR=str(nested)).returncode == 0
    assert (nested / "conf/plan.json").is_file()


def test_up_refuses_a_path_below_a_file(unused: LocalStack) -> None:
    (unused.directory / "letters.txt").write_text("ten years")
    below = unused.directory / "letters.txt/stack"
    message = refusal(unused.manage("stack_local", "up", STACK_DIR=str(below)))
    assert message == f"STACK_DIR={below}: Not a directory. Set STACK_DIR to another directory."
    assert unused.entries() == ["letters.txt"]


def test_up_refuses_a_path_with_a_blank(unused: LocalStack) -> None:
    message = refusal(unused.manage("stack_local", "up", STACK_DIR=f"{unused.directory}/my stack"))
    assert message.startswith(f"{unused.directory}/my stack: the servers' files cannot name it.")
    assert unused.entries() == []


def test_up_refuses_a_disk_that_is_read_only(unused: LocalStack) -> None:
    with disk(unused.directory, "ro,size=1m"):
        message = refusal(unused.manage("stack_local", "up"))
    assert message.startswith(f"STACK_DIR={unused.directory}: Read-only file system.")


def test_an_ordinary_user_is_refused_what_belongs_to_another(
    unused: LocalStack, ordinary: pwd.struct_passwd
) -> None:
    command = as_user(ordinary, unused.command("stack_local", "up"))
    new = f"{unused.directory}/new"
    refused = {
        f"{unused.directory}: belongs to root.": unused.environment(),
        f"STACK_DIR={new}: Permission denied.": unused.environment(STACK_DIR=new),
        f"STACK_ACCOUNT=daemon: {ordinary.pw_name} cannot": unused.environment(
            STACK_DIR=new, STACK_ACCOUNT="daemon"
        ),
    }
    for message, environment in refused.items():
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert message in refusal(done)
    assert unused.entries() == []


def test_root_is_refused_an_account_that_does_not_own_the_directory(
    unused: LocalStack, ordinary: pwd.struct_passwd
) -> None:
    shutil.chown(unused.directory, ordinary.pw_uid, ordinary.pw_gid)
    message = refusal(unused.manage("stack_local", "up", STACK_ACCOUNT="daemon"))
    assert message.startswith(
        f"STACK_ACCOUNT=daemon: {ordinary.pw_name} cannot become another account"
    )
    assert unused.entries() == []


def test_delete_leaves_alone_what_is_no_stack(unused: LocalStack) -> None:
    (unused.directory / "data").mkdir()
    (unused.directory / "data/letters.txt").write_text("ten years")
    for plan in ("", "{}", '{"paths": {"root": "/srv/another"}}'):
        (unused.directory / "conf").mkdir(exist_ok=True)
        (unused.directory / "conf/plan.json").write_text(plan)
        assert "Nothing was deleted." in refusal(unused.manage("stack_local", "delete"))
        assert (unused.directory / "data/letters.txt").read_text() == "ten years"


def test_make_clean_stops_the_stack_and_deletes_the_directory_that_env_names(
    unused: LocalStack, checkout: Path
) -> None:
    require_root("deleting a directory in one of root's")
    (checkout / ".env").write_text(
        f"STACK_DIR={unused.directory}\nSTACK_PORT={unused.port}\nSTACK_MEMORY=1g\n"
    )
    environment = {
        name: value for name, value in unused.environment().items() if not name.startswith("STACK_")
    }

    def run(*command: str) -> str:
        done = subprocess.run(
            command, cwd=checkout, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run("make", "up", "TARGET=local")
    (unused.directory / "letters.txt").write_text("ten years")
    assert (
        run("make", "clean")
        == f"stopped\ndeleted   {unused.directory}, data included; kept in it: letters.txt\n"
    )
    assert unused.servers() == {}
    assert unused.entries() == ["letters.txt"]
    assert not (checkout / ".venv").exists()


def test_delete_takes_the_directory_itself_and_then_finds_nothing(unused: LocalStack) -> None:
    require_root("deleting a directory in one of root's")
    assert unused.manage("stack_render").returncode == 0
    assert (
        unused.manage("stack_local", "delete").stdout
        == f"deleted   {unused.directory}, data included\n"
    )
    assert not unused.directory.exists()
    assert (
        unused.manage("stack_local", "delete").stdout
        == f"nothing to delete in {unused.directory}\n"
    )
