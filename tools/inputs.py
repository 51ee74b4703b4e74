"""Where the inputs of the planner are listed again: the table of the docs, Compose's and Ansible's
lists.

`GOLDEN=write pytest tests/contract/test_inputs.py` writes them between their marks.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from types import NoneType
from typing import Any, Literal, cast, get_args, get_origin

import yaml
from pydantic.fields import FieldInfo

from pgstack.planning.config import StackConfig
from pgstack.planning.input_names import environment_name

CHECKOUT = Path(__file__).resolve().parents[1]
BEGIN, END = "inputs: made by `make derive`", "end of the inputs"
SAID_BY_PROJECT = {"project", "requirements", "commands", "build", "environment", "packages"}
"""inputs that Ansible has another form for, `stack_inputs.project`"""


def table() -> str:
    """A row of Markdown for each input."""
    rows = ["| input | unit | default | meaning | targets |", "| --- | --- | --- | --- | --- |"]
    for name, field in StackConfig.model_fields.items():
        meaning = re.sub(
            r"(?<= )(\*|manage\.py|[a-z]+=[a-z0-9]+|X-[\w-]+|NAME=value)(?=[ ;,]|$)",
            r"`\1`",
            description_of(field),
        )
        cells = (
            f"`{environment_name(name)}`",
            extra(field)["unit"],
            default(field),
            meaning + _choices(field),
            ", ".join(extra(field)["on"]),
        )
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def compose() -> str:
    """A key without a value for each input that Compose only passes on; another path is seen in a
    container."""
    names = (
        name for name, field in StackConfig.model_fields.items() if "compose" in extra(field)["on"]
    )
    passed = (
        name
        for name in names
        if name != "target" and Path not in _types(StackConfig.model_fields[name])
    )
    return "\n".join(f"{environment_name(name)}:" for name in passed)


def ansible() -> str:
    """An option of an argument spec for each input of a host."""
    options = {}
    for name, field in StackConfig.model_fields.items():
        if "host" in extra(field)["on"] and name not in SAID_BY_PROJECT:
            options[name] = {
                **_ansible_type(field),
                "description": description_of(field) + _unset(field),
            }
    return yaml.safe_dump(
        options, sort_keys=False, default_flow_style=None, width=90, allow_unicode=True
    ).strip()


MADE: dict[str, Callable[[], str]] = {
    "docs/inputs.md": table,
    "compose.yaml": compose,
    "ansible/roles/host/meta/argument_specs.yml": ansible,
}
"""what stands between the marks of which file"""


def written(path: str) -> str:
    """The whole file with what belongs between its marks. Raises ValueError where it has no
    marks."""
    text = (CHECKOUT / path).read_text()
    match = re.search(
        rf"^( *)([^\n]*){re.escape(BEGIN)}[^\n]*\n(.*?)^[^\n]*{END}", text, re.MULTILINE | re.DOTALL
    )
    if match is None:
        raise ValueError(f"{path} has no lines with '{BEGIN}' and '{END}'")
    made = textwrap.indent(MADE[path](), match[1])
    return f"{text[: match.start(3)]}{made}\n{text[match.end(3) :]}"


def description_of(field: FieldInfo) -> str:
    """What an input means."""
    return field.description or ""


def extra(field: FieldInfo) -> dict[str, Any]:
    """Unit, targets, and what stands for no value."""
    return cast("dict[str, Any]", field.json_schema_extra)


def default(field: FieldInfo) -> str:
    """As the docs have it: a literal, or what happens when nothing is said."""
    if field.default in (None, ()):
        return str(extra(field)["unset"])
    value = ",".join(field.default) if isinstance(field.default, tuple) else field.default
    return f"`{value}`"


def _unset(field: FieldInfo) -> str:
    """What happens when an input is unset, where the default is not a literal."""
    told = extra(field)["unset"].replace("`", "")
    return f"; unset: {told}" if field.default is None and told != "none" else ""


def _choices(field: FieldInfo) -> str:
    values = [
        f"`{value}`"
        for kind in _types(field)
        if get_origin(kind) is Literal
        for value in get_args(kind)
    ]
    told = [", ".join(values[:-1]), *values[-1:]]
    return f": {' or '.join(filter(None, told))}" if values else ""


def _types(field: FieldInfo) -> list[Any]:
    """What an annotation allows, without None."""

    def parts(kind: Any) -> Iterator[Any]:
        if get_origin(kind) in (None, Literal, tuple):
            yield kind
        else:
            for part in get_args(kind):
                yield from parts(part)

    return [kind for kind in parts(field.annotation) if kind is not NoneType]


def _ansible_type(field: FieldInfo) -> dict[str, str]:
    """Ansible's words for a type. Sizes may have a unit, so they are text."""
    kind = _types(field)[0]
    if get_origin(kind) is tuple:
        return {"type": "list", "elements": "str"}
    if kind is int and extra(field)["unit"] != "bytes":
        return {"type": "int"}
    return {"type": "path" if kind is Path else "str"}
