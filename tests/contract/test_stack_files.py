"""The module that writes a role's files: what changes, what is refused, and what a dry run says."""

from __future__ import annotations

import grp
import importlib.util
import json
import os
import pwd
import subprocess
import sys
from pathlib import Path
from typing import Any

import ansible.module_utils
import pytest
import yaml

DESCRIBED = ("type", "required", "default")
MODULE = Path(__file__).resolve().parents[2] / "ansible/library/stack_files.py"
CALL = f"""
import runpy, ansible.module_utils
ansible.module_utils.__path__.append({str(MODULE.parents[1] / "module_utils")!r})
runpy.run_path({str(MODULE)!r}, run_name="__main__")
"""
"""what Ansible puts together: the module with what it shares"""


def run(*files: dict[str, Any], check: bool = False, gone: tuple[Path, ...] = ()) -> dict[str, Any]:
    """What the module answers, called as Ansible calls it, for files of whoever runs the tests."""
    own = {"owner": pwd.getpwuid(os.geteuid()).pw_name, "group": grp.getgrgid(os.getegid()).gr_name}
    arguments = {
        "files": [own | file for file in files],
        "gone": [str(path) for path in gone],
        "_ansible_diff": True,
        "_ansible_check_mode": check,
    }
    command = [sys.executable, "-c", CALL, json.dumps({"ANSIBLE_MODULE_ARGS": arguments})]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o7777


def test_files_are_written_once_and_left_alone_afterwards(tmp_path: Path) -> None:
    wanted = (
        {"dest": str(tmp_path / "a/b")},
        {"dest": str(tmp_path / "a/b/one"), "content": "ä\n"},
        {"dest": str(tmp_path / "run"), "content": "", "mode": "0750"},
    )
    first = run(*wanted)
    assert (first["changed"], first["files"]) == (True, [file["dest"] for file in wanted])
    assert (tmp_path / "a/b/one").read_text() == "ä\n"
    assert [mode(tmp_path / name) for name in ("a/b", "a/b/one", "run")] == [0o755, 0o644, 0o750]
    again = run(*wanted)
    assert (again["changed"], again["diff"]) == (False, [])


def test_what_differs_is_shown_and_nothing_else_is_written(tmp_path: Path) -> None:
    same, other, open_ = (tmp_path / name for name in ("same", "other", "open"))
    for path in (same, other, open_):
        path.write_text("before\n")
        path.chmod(0o644)
    open_.chmod(0o666)
    kept = same.stat().st_mtime_ns
    wanted = [{"dest": str(path), "content": "before\n"} for path in (same, open_)]
    wanted.append({"dest": str(other), "content": "after\n"})
    dry = run(*wanted, check=True)
    assert (other.read_text(), mode(open_)) == ("before\n", 0o666)
    assert (
        run(*wanted)["diff"]
        == dry["diff"]
        == [
            {
                "before_header": str(open_),
                "after_header": str(open_),
                "before": "before\nmode: 0666\n",
                "after": "before\nmode: 0644\n",
            },
            {
                "before_header": str(other),
                "after_header": str(other),
                "before": "before\n",
                "after": "after\n",
            },
        ]
    )
    assert (other.read_text(), mode(open_), same.stat().st_mtime_ns) == ("after\n", 0o644, kept)


def test_a_dry_run_on_a_new_host_asks_for_no_account(tmp_path: Path) -> None:
    result = run(
        {"dest": str(tmp_path / "one"), "content": "x", "owner": "nobody-made-it"}, check=True
    )
    assert (result["changed"], list(tmp_path.iterdir())) == (True, [])


def test_a_bad_text_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    good, bad = (
        {"dest": str(tmp_path / "good"), "content": "x"},
        {"dest": str(tmp_path / "bad"), "content": "rule\n"},
    )
    result = run(good, bad | {"validate": "grep -q table %s"})
    assert result["failed"]
    assert result["msg"].startswith(f"{tmp_path / 'bad'}: grep -q table ")
    assert list(tmp_path.iterdir()) == []
    assert run(good, bad | {"validate": "grep -q rule %s"})["changed"]


def test_a_link_is_replaced_by_the_file(tmp_path: Path) -> None:
    (tmp_path / "far").write_text("theirs")
    (tmp_path / "one").symlink_to(tmp_path / "far")
    assert run({"dest": str(tmp_path / "one"), "content": "ours"})["changed"]
    assert ((tmp_path / "one").read_text(), (tmp_path / "far").read_text()) == ("ours", "theirs")


def test_a_directory_that_others_put_a_link_in_is_refused(tmp_path: Path) -> None:
    """What a lesser account puts into the place of its own directory is not given to it."""
    shared, far = tmp_path / "shared", tmp_path / "far"
    for path in (shared, far):
        path.mkdir(mode=0o755)
    shared.chmod(0o777)
    (shared / "public").symlink_to(far)
    for more in ({"dest": "public", "mode": "0700"}, {"dest": "public/new", "content": "x"}):
        wanted = {**more, "dest": str(shared / more["dest"])}
        result = run(wanted)
        assert result["failed"]
        assert "a link" in result["msg"]
    assert (mode(far), list(far.iterdir())) == (0o755, [])


def test_what_is_to_be_gone_goes_once_and_not_what_a_link_leads_to(tmp_path: Path) -> None:
    kept, file, link, folder = (tmp_path / name for name in ("kept", "file", "link", "folder"))
    kept.mkdir()
    file.touch()
    link.symlink_to(kept)
    (folder / "within").mkdir(parents=True)
    gone = (file, link, folder, folder / "within", tmp_path / "never/there", kept / "never")
    dry = run(check=True, gone=gone)
    assert len(list(tmp_path.iterdir())) == 4
    done = run(gone=gone)
    assert done["files"] == [str(path) for path in gone[:3]]
    assert set(done["files"]) <= set(dry["files"])
    assert list(tmp_path.iterdir()) == [kept]
    assert run(gone=gone)["changed"] is False


def test_a_directory_keeps_only_what_is_named(tmp_path: Path) -> None:
    place = tmp_path / "place"
    wanted = [{"dest": str(place), "only": True}, {"dest": str(place / "one"), "content": "x"}]
    assert run(*wanted)["files"] == [file["dest"] for file in wanted]
    (place / "old").write_text("a secret")
    assert run(*wanted, check=True)["files"] == [str(place / "old")]
    assert sorted(path.name for path in place.iterdir()) == ["old", "one"]
    assert run(*wanted)["files"] == [str(place / "old")]
    assert [path.name for path in place.iterdir()] == ["one"]
    assert run(*wanted)["changed"] is False


def test_nothing_is_removed_where_others_have_put_a_link(tmp_path: Path) -> None:
    shared, far = tmp_path / "shared", tmp_path / "far"
    for path in (shared, far):
        path.mkdir()
    (far / "theirs").touch()
    shared.chmod(0o777)
    (shared / "public").symlink_to(far)
    result = run(gone=(shared / "public/theirs",))
    assert result["failed"]
    assert "a link" in result["msg"]
    assert (far / "theirs").exists()


@pytest.mark.parametrize(
    ("given", "reason"), [({"content": "x"}, "dest"), ({"dest": "/x", "text": "x"}, "text")]
)
def test_a_file_that_is_not_described_is_refused(given: dict[str, Any], reason: str) -> None:
    result = run(given)
    assert result["failed"]
    assert reason in result["msg"]


def test_what_is_documented_is_what_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    shared = [*ansible.module_utils.__path__, str(MODULE.parents[1] / "module_utils")]
    monkeypatch.setattr(ansible.module_utils, "__path__", shared)
    spec = importlib.util.spec_from_file_location("stack_files", MODULE)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    documented = yaml.safe_load(module.DOCUMENTATION)["options"]["files"]["suboptions"]
    told = {
        name: {key: option[key] for key in DESCRIBED if key in option}
        for name, option in documented.items()
    }
    assert told == module.OPTIONS
