"""Plan → manifests for Kubernetes, from the one set of templates. An example
(docs/kubernetes.md)."""

from __future__ import annotations

from jinja2 import TemplateError

from pgstack.errors import RenderError
from pgstack.planning.plan import Plan
from pgstack.rendering import pods, templates

FOLDER = "kubernetes"
NAMES = ("database", "web", "network")


def text(plan: Plan) -> str:
    """All manifests as one text of several documents; they name secrets, and hold none.

    Raises StackError.
    """
    jinja, divided = templates.environment(), pods.divided(plan)
    try:
        rendered = [
            jinja.get_template(f"{FOLDER}/{name}.yaml.j2").render(stack=plan, pods=divided)
            for name in NAMES
        ]
    except TemplateError as error:
        raise RenderError(f"{FOLDER}: {error}.") from error
    return "---\n".join(rendered)
