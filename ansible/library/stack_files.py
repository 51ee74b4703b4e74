#!/usr/bin/python3
"""Write many files on a host in one go."""

from __future__ import annotations

import grp
import os
import pwd
import shlex
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible.module_utils import stack_safe
from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: stack_files
short_description: Write files and make directories in one go
description:
  - Does for a list what M(ansible.builtin.copy) and M(ansible.builtin.file) do one at a time,
    with one connection.
  - Nothing is written when one of the texts is not valid.
  - A link is followed only where nobody but root can have put it.
  - Supports check mode and differences.
options:
  files:
    description: What to write, in this order. A directory comes before what is in it.
    type: list
    elements: dict
    default: []
    suboptions:
      dest: {description: Absolute path., type: path, required: true}
      content: {description: Text of the file. A directory is made where there is none., type: str}
      owner: {description: Account., type: str, default: root}
      group: {description: Group., type: str, default: root}
      mode:
        description: Mode in octal digits; 0755 for a directory and 0644 for a file.
        type: str
      validate: {description: Command that fails for a bad text; %s is a file with it., type: str}
      only: {description: Whether a directory keeps only what is named., type: bool, default: false}
  gone:
    description: Paths where there is to be nothing; a directory goes with all that is in it.
    type: list
    elements: path
    default: []
"""
OPTIONS: dict[str, Any] = {
    "dest": {"type": "path", "required": True},
    "content": {"type": "str"},
    "owner": {"type": "str", "default": "root"},
    "group": {"type": "str", "default": "root"},
    "mode": {"type": "str"},
    "validate": {"type": "str"},
    "only": {"type": "bool", "default": False},
}


def main() -> None:
    """What Ansible calls on the host."""
    files = {"type": "list", "elements": "dict", "default": [], "options": OPTIONS}
    gone = {"type": "list", "elements": "path", "default": []}
    module = AnsibleModule(argument_spec={"files": files, "gone": gone}, supports_check_mode=True)
    wanted = module.params["files"]
    for file in wanted:
        _validate(module, file)
    unwanted = [*map(Path, module.params["gone"]), *_others(module, wanted)]
    differences = [
        *(difference for file in wanted if (difference := _written(module, file))),
        *(difference for path in unwanted if (difference := _removed(module, path))),
    ]
    module.exit_json(
        changed=bool(differences),
        diff=differences,
        files=[file["after_header"] for file in differences],
    )


def _validate(module: AnsibleModule, file: dict[str, Any]) -> None:
    if not file["validate"] or module.check_mode:
        return
    candidate = _temporary(module, file["content"])
    command = [word.replace("%s", candidate) for word in shlex.split(file["validate"])]
    code, output, error = module.run_command(command)
    if code:
        module.fail_json(
            msg=f"{file['dest']}: {' '.join(command)}: {(error or output).strip()} Nothing was "
            f"written."
        )


def _written(module: AnsibleModule, file: dict[str, Any]) -> dict[str, str] | None:
    """Make it as it is wanted; the difference that it made, or None."""
    path, text = Path(file["dest"]), file["content"]
    given = file["mode"] or ("0755" if text is None else "0644")
    wanted = {"owner": file["owner"], "group": file["group"], "mode": f"{int(given, 8):04o}"}
    try:
        before, had = _found(path, folder=text is None)
        changed = before != text or had != wanted
        if changed and not module.check_mode:
            _make(
                path, text if before != text or text is None else None, wanted, folder=text is None
            )
    except (stack_safe.UnsafePath, OSError) as error:
        module.fail_json(msg=f"{path}: {error}")
    if not changed:
        return None
    differ = [name for name in had if had[name] != wanted[name]]
    return {
        "before_header": str(path),
        "after_header": str(path),
        "before": (before or "") + _told(had, differ),
        "after": (text or "") + _told(wanted, differ),
    }


def _others(module: AnsibleModule, wanted: list[dict[str, Any]]) -> list[Path]:
    """What is in the directories that keep only what is named."""
    named, present = {Path(file["dest"]) for file in wanted}, []
    for place in (Path(file["dest"]) for file in wanted if file["only"]):
        try:
            with stack_safe.directory(place) as handle:
                present += [place / name for name in sorted(os.listdir(handle))]  # noqa: PTH208 - a descriptor
        except FileNotFoundError:
            continue
        except (stack_safe.UnsafePath, OSError) as error:
            module.fail_json(msg=f"{place}: {error}")
    return [path for path in present if path not in named]


def _removed(module: AnsibleModule, path: Path) -> dict[str, str] | None:
    """Remove a file, a link or a directory; the difference that it made, or None."""
    try:
        with stack_safe.directory(path.parent) as parent:
            os.stat(path.name, dir_fd=parent, follow_symlinks=False)
        if not module.check_mode:
            stack_safe.remove(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (stack_safe.UnsafePath, OSError) as error:
        module.fail_json(msg=f"{path}: {error}")
    header = str(path)
    return {"before_header": header, "after_header": header, "before": "there\n", "after": ""}


def _found(path: Path, folder: bool) -> tuple[str | None, dict[str, str]]:
    """Text and attributes of what is there, without following a link; no attributes where there is
    nothing."""
    try:
        if folder:
            with stack_safe.directory(path) as handle:
                return None, _attributes(os.fstat(handle))
        with stack_safe.file(path) as opened:
            return opened.read().decode(errors="replace"), _attributes(os.fstat(opened.fileno()))
    except FileNotFoundError:
        return None, {}
    except stack_safe.UnsafePath:
        if folder:
            raise
        return None, {}  # something else takes its name: it is replaced


def _make(path: Path, text: str | None, wanted: dict[str, str], folder: bool) -> None:
    """A directory, a file with `text`, or only the attributes of one that is there."""
    mode, owner, group = int(wanted["mode"], 8), wanted["owner"], wanted["group"]
    if folder:
        for parent in reversed(path.parents):
            if not parent.exists():
                stack_safe.make_directory(
                    parent, owner=_named(pwd.getpwuid, os.geteuid()), group=group
                )
        stack_safe.make_directory(path, mode, owner, group)
    elif text is None:
        stack_safe.set_owner(path, mode, owner, group)
    else:
        stack_safe.write(path, text.encode(), mode, owner, group)


def _attributes(status: os.stat_result) -> dict[str, str]:
    return {
        "owner": _named(pwd.getpwuid, status.st_uid),
        "group": _named(grp.getgrgid, status.st_gid),
        "mode": f"{status.st_mode & 0o7777:04o}",
    }


def _named(known: Callable[[int], Any], number: int) -> str:
    try:
        return str(known(number)[0])
    except KeyError:
        return str(number)


def _told(attributes: dict[str, str], differ: list[str]) -> str:
    """Owner, group and mode, where those are what differs."""
    return "".join(f"{name}: {attributes[name]}\n" for name in sorted(differ))


def _temporary(module: AnsibleModule, text: str) -> str:
    """A file with the text, which goes away with the module."""
    handle, name = tempfile.mkstemp(dir=str(module.tmpdir))
    with os.fdopen(handle, "wb") as file:
        file.write(text.encode())
    return name


if __name__ == "__main__":
    main()
