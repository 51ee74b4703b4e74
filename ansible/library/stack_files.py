#!/usr/bin/python3
"""Write many files on a host in one go."""

from __future__ import annotations

import os
import shlex
import tempfile
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: stack_files
short_description: Write files and make directories in one go
description:
  - Does for a list what M(ansible.builtin.copy) and M(ansible.builtin.file) do one at a time, with one connection.
  - Nothing is written when one of the texts is not valid.
  - Supports check mode and differences.
options:
  files:
    description: What to write, in this order. A directory comes before what is in it.
    type: list
    elements: dict
    required: true
    suboptions:
      dest: {description: Absolute path., type: path, required: true}
      content: {description: Text of the file. A directory is made where there is none., type: str}
      owner: {description: Account., type: str, default: root}
      group: {description: Group., type: str, default: root}
      mode: {description: Mode in octal digits; 0755 for a directory and 0644 for a file., type: str}
      validate: {description: Command that fails for a bad text; %s is a file with it., type: str}
"""
OPTIONS: dict[str, Any] = {
    "dest": {"type": "path", "required": True}, "content": {"type": "str"}, "owner": {"type": "str", "default": "root"},
    "group": {"type": "str", "default": "root"}, "mode": {"type": "str"}, "validate": {"type": "str"},
}  # fmt: skip


def main() -> None:
    """What Ansible calls on the host."""
    files = {"type": "list", "elements": "dict", "required": True, "options": OPTIONS}
    module = AnsibleModule(argument_spec={"files": files}, supports_check_mode=True)
    wanted = module.params["files"]
    for one in wanted:
        _validate(module, one)
    differences = [difference for one in wanted if (difference := _written(module, one))]
    module.exit_json(changed=bool(differences), diff=differences, files=[one["after_header"] for one in differences])


def _validate(module: AnsibleModule, one: dict[str, Any]) -> None:
    if not one["validate"] or module.check_mode:
        return
    candidate = _temporary(module, one["content"])
    command = [word.replace("%s", candidate) for word in shlex.split(one["validate"])]
    code, output, error = module.run_command(command)
    if code:
        module.fail_json(msg=f"{one['dest']}: {' '.join(command)}: {(error or output).strip()} Nothing was written.")


def _written(module: AnsibleModule, one: dict[str, Any]) -> dict[str, str] | None:
    """Make it as it is wanted; the difference that it made, or None."""
    path, text = Path(one["dest"]), one["content"]
    there = path.is_dir() if text is None else path.is_file() and not path.is_symlink()
    before = path.read_text(errors="replace") if there and text is not None else ""
    changed = not there or (text is not None and path.read_bytes() != text.encode())
    if changed and not module.check_mode:
        if text is None:
            path.mkdir(parents=True)
        else:
            module.atomic_move(_temporary(module, text), str(path))
    mode = one["mode"] or ("0755" if text is None else "0644")
    attributes: dict[str, Any] = {}
    if there or not module.check_mode:  # in a dry run on a new host there is no such account yet
        asked = module.load_file_common_arguments({**one, "mode": mode}, path=str(path))
        changed = module.set_fs_attributes_if_different(asked, changed, attributes)
    if not changed:
        return None
    before += _told(attributes.get("before", {}))
    after = (text or "") + _told(attributes.get("after", {}))
    return {"before_header": str(path), "after_header": str(path), "before": before, "after": after}


def _told(attributes: dict[str, Any]) -> str:
    """Owner, group and mode, where those are what differs."""
    return "".join(f"{name}: {value}\n" for name, value in sorted(attributes.items()) if name != "path")


def _temporary(module: AnsibleModule, text: str) -> str:
    """A file with the text, which goes away with the module."""
    handle, name = tempfile.mkstemp(dir=str(module.tmpdir))
    with os.fdopen(handle, "wb") as file:
        file.write(text.encode())
    return name


if __name__ == "__main__":
    main()
