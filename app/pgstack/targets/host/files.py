"""Files for the module stack_files, which writes them on a host."""

from __future__ import annotations

from typing import Any

from pgstack.planning.plan import Plan
from pgstack.rendering import manifest, templates

VALIDATORS = {"nftables.conf": "/usr/sbin/nft --check --file %s"}
"""what refuses a bad file, by its name; servers that are asked by stackctl are not here"""
PLAN = "plan"
"""the part that plan.json is"""


def of_plan(stack: dict[str, Any], *parts: str) -> list[dict[str, str | None]]:
    """Rendered files of `parts`, or of all, for the module stack_files; those of `plan` are
    plan.json."""
    plan = Plan.model_validate(stack)
    chosen = [
        template for template in manifest.templates(plan) if not parts or template.role in parts
    ]
    files = templates.rendered(plan, chosen)
    if not parts or PLAN in parts:
        files.append(templates.plan_file(plan))
    return [
        {
            "dest": str(file.path),
            "content": file.text,
            "mode": f"{file.mode:04o}",
            "validate": VALIDATORS.get(file.path.name),
        }
        for file in files
    ]
