"""The inputs as they are read from the environment, each sound and all sound together."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError, model_validator

from pgstack.errors import InputError
from pgstack.planning import combinations
from pgstack.planning.database_url import DatabaseUrl
from pgstack.planning.input_names import EXTERNAL, PREFIX, RESERVED, environment_name
from pgstack.planning.inputs import Inputs
from pgstack.planning.targets import host_parts
from pgstack.planning.targets.host_parts import HostPart


class StackConfig(Inputs):
    """Inputs that go together."""

    @model_validator(mode="after")
    def _together(self) -> StackConfig:
        combinations.require(self)
        return self

    @property
    def external(self) -> DatabaseUrl | None:
        """URL of an external PostgreSQL with its authority; None where PostgreSQL is the stack's
        own."""
        url, authority = self.database_url, self.database_authority
        return url.model_copy(update={"sslrootcert": str(authority)}) if url and authority else url

    @property
    def databases(self) -> dict[str, str]:
        """Address of each member of a cluster that has the database, by its name."""
        return {name: place for name, place in self.members.items() if name != self.witness}

    @property
    def part(self) -> HostPart:
        """What this host runs of the stack."""
        part = host_parts.of(
            self.database_host,
            bool(self.web_addresses),
            external=self.database_url is not None,
            cluster=bool(self.members),
            witness=self.witness is not None
            and self.members.get(self.witness) == self.database_host,
            balancer=self.balancer is not None,
        )
        return host_parts.watching(part) if self.failover == "silence" else part


def load(environ: Mapping[str, str], **overrides: Any) -> StackConfig:
    """The inputs found in `environ`; empty values count as unset, `overrides` win.

    Raises InputError naming the variable, the reason and the remedy.
    """
    names = {environment_name(field): field for field in StackConfig.model_fields}
    values: dict[str, Any] = {}
    for name, value in environ.items():
        if not name.startswith(PREFIX) or name in RESERVED:
            continue
        if name not in names:
            raise InputError(_unknown(name, list(names)))
        if value.strip():
            values[names[name]] = value.strip()
    try:
        return StackConfig(**{**values, **overrides})
    except ValidationError as error:
        raise InputError(_invalid(error)) from None


def _unknown(name: str, known: list[str]) -> str:
    endings = [other.removeprefix(PREFIX) for other in known]
    near = difflib.get_close_matches(name.removeprefix(PREFIX), endings, n=1, cutoff=0.6)
    hint = f"did you mean {PREFIX}{near[0]}?" if near else "unset it."
    return f"{name}: unknown input; {hint} `manage.py stack_plan --inputs` lists every input."


def _invalid(error: ValidationError) -> str:
    lines = []
    for problem in error.errors():
        reason = problem["msg"].removeprefix("Value error, ")
        if not problem["loc"]:
            lines.append(f"{reason}.")
            continue
        field = str(problem["loc"][0])
        meaning = StackConfig.model_fields[field].description
        name = environment_name(field)
        given = name if name == EXTERNAL else f"{name}={problem['input']}"
        lines.append(f"{given}: {reason}. Meaning: {meaning}.")
    return "\n".join(dict.fromkeys(lines))
