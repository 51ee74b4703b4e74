"""The README's table of inputs against the model: names, units and literal defaults."""

from __future__ import annotations

import re
from pathlib import Path

from pgstack.config import StackConfig, environment_name

README = Path(__file__).resolve().parents[2] / "README.md"


def table() -> dict[str, tuple[str, str]]:
    """Unit and default of each input in the README."""
    rows = re.findall(r"^\| `(STACK_\w+)` \| ([^|]+) \| ([^|]+) \|", README.read_text(), re.MULTILINE)
    return {name: (unit.strip(), default.strip().strip("`")) for name, unit, default in rows}


def test_readme_lists_every_input_and_no_other() -> None:
    assert sorted(table()) == sorted(environment_name(field) for field in StackConfig.model_fields)


def test_readme_gives_the_units_and_defaults_of_the_code() -> None:
    for field, info in StackConfig.model_fields.items():
        unit, default = table()[environment_name(field)]
        assert isinstance(info.json_schema_extra, dict)
        assert unit == info.json_schema_extra["unit"], field
        if info.default not in (None, ()):
            value = ",".join(info.default) if isinstance(info.default, tuple) else str(info.default)
            assert default == value, field
