"""The plan that is in force: the one rendered on disk, else the one the inputs would give."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from dotenv import dotenv_values
from pydantic import ValidationError

from pgstack.errors import InputError, StackError
from pgstack.planning import config, discovery, hardware, input_names, layout, sizing
from pgstack.planning.grants import Grants
from pgstack.planning.plan import Plan


@lru_cache(maxsize=1)
def inputs() -> config.StackConfig:
    """The inputs of `.env` in the checkout and of the environment, which wins; read once per
    process.

    Raises InputError, also for a `.env` that cannot be read.
    """
    path = layout.CHECKOUT / ".env"
    try:
        values: Mapping[str, str | None] = dotenv_values(path)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise InputError(
            f"{path}: {reason}. Make it readable, or set the inputs in the environment."
        ) from None
    merged = {
        name: value or "" for name, value in values.items() if name.startswith(input_names.PREFIX)
    }
    return config.load({**merged, **os.environ})


def fresh_plan(database: Grants | None = None, **other: object) -> Plan:
    """The plan that the inputs give on this machine now; with `other` inputs where those are
    named.

    `database` is what an external PostgreSQL grants (pgstack.external); without it counts what it
    said when the plan in force was made.
    """
    chosen = discovery.complete(inputs().model_copy(update=other))
    machine = hardware.detect(chosen)
    return sizing.plan(chosen, replace(machine, database=database or granted(chosen)))


def granted(chosen: config.StackConfig) -> Grants | None:
    """What the external PostgreSQL said when the plan in force was made; None where that has
    another, or there is none."""
    with suppress(StackError):
        plan, url = rendered_plan(), chosen.database_url
        if plan and plan.external and url:
            place = plan.postgres
            here = (place.host, place.port, place.database) == (url.host, url.port, url.database)
            return plan.external.grants if here else None
    return None


def plan_file() -> Path:
    """Where the plan in force lies: STACK_PLAN, else below STACK_DIR."""
    named = os.environ.get("STACK_PLAN")
    return Path(named) if named else layout.stack_directory(inputs()) / "conf/plan.json"


def rendered_plan() -> Plan | None:
    """The plan on disk, None when there is none.

    Raises StackError when the file cannot be read as a plan, or when STACK_PLAN names none.
    """
    path = plan_file()
    try:
        return Plan.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        if "STACK_PLAN" in os.environ:
            raise InputError(
                f"STACK_PLAN={path}: no such file. Render it first (`manage.py stack_render`)."
            ) from None
        return None
    except (OSError, ValidationError) as error:
        reason = (
            error.strerror if isinstance(error, OSError) else "it is not a plan of this version"
        )
        raise StackError(f"{path}: {reason}. `make up` writes a new one.") from None


def started_plan() -> Plan:
    """The plan on disk. Raises StackError when there is none, or it cannot be read."""
    plan = rendered_plan()
    if plan is None:
        raise StackError(
            f"{plan_file().parent}: no stack was started here. Start one with `make up`."
        )
    return plan


@lru_cache(maxsize=1)
def current_plan() -> Plan:
    """The plan in force, read once per process."""
    return rendered_plan() or fresh_plan()
