"""Plan → texts of files, from the one set of templates."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError

from pgstack.errors import RenderError
from pgstack.planning import layout
from pgstack.planning.plan import Plan
from pgstack.planning.services import DAEMON
from pgstack.rendering import manifest
from pgstack.rendering.file import File
from pgstack.rendering.manifest import Template


def environment() -> Environment:
    """Jinja as Ansible's template module sets it up, so that both write the same bytes."""
    return Environment(
        loader=FileSystemLoader(layout.TEMPLATES),
        trim_blocks=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - configuration files, no HTML
    )


def files(plan: Plan) -> list[File]:
    """Every file of `plan`, plan.json last: once it is there, the others are too."""
    return [*rendered(plan, manifest.templates(plan)), plan_file(plan)]


def text(plan: Plan, name: str) -> str:
    """Content of one of the files below the plan's directory of them; empty where it has none."""
    path = Path(plan.paths.conf, name)
    return next((file.text for file in files(plan) if file.path == path), "")


def rendered(plan: Plan, chosen: Iterable[Template]) -> list[File]:
    """The files of these templates. Raises RenderError."""
    jinja = environment()
    return [File(template.path, _text(jinja, template, plan)) for template in chosen]


def _text(jinja: Environment, template: Template, plan: Plan) -> str:
    own = template.service
    try:
        if template.path.name in own.plain:
            return Path(layout.TEMPLATES, template.source).read_text()
        return jinja.get_template(template.source).render(
            stack=plan, own=own.own, stop_seconds=own.stop_seconds, daemon=DAEMON
        )
    except TemplateError as error:
        raise RenderError(f"{template.source}: {error}.") from error


def plan_path(plan: Plan) -> Path:
    """Path of plan.json, beside the configuration files."""
    return Path(plan.paths.conf, "plan.json")


def plan_file(plan: Plan) -> File:
    """The file plan.json with its text."""
    return File(plan_path(plan), plan_text(plan))


def plan_text(plan: Plan) -> str:
    """The text of plan.json."""
    return plan.model_dump_json(indent=2) + "\n"
