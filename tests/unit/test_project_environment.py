"""The environment that Ansible writes for a project, as stack-manage reads it: each value as it was given."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from stackctl import manage, safe

FILTERS = Path(__file__).resolve().parents[2] / "ansible/filter_plugins/stack.py"
VALUES = {
    "PLAIN": "it's 42", "QUOTES": 'N"L', "SHELL": "$(touch /x) `id` ${HOME} $1", "BACKSLASH": r"C:\new\\",
    "EMPTY": "", "COMMENT": " # not one; a=b", "UMLAUT": "Müller",
}  # fmt: skip


def test_what_is_written_is_read_as_it_was_given() -> None:
    spec = importlib.util.spec_from_file_location("stack_filters", FILTERS)
    assert spec
    assert spec.loader
    filters = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(filters)
    assert manage.parse(filters.stack_environment(VALUES)) == VALUES


@pytest.mark.parametrize("line", ["A=1", 'A="1" touch /x', 'A="1', "touch /x", '. "/tmp/x"', 'A B="1"'])
def test_what_only_a_shell_would_understand_is_refused_with_its_line(line: str) -> None:
    with pytest.raises(safe.Refused, match="line 2"):
        manage.parse(f'B="1"\n{line}\n')
