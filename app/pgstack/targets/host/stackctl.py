"""stackctl as it is installed on a host: its virtual environment, its code, and what starts it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from pgstack.planning import layout
from pgstack.planning.plan import Plan
from pgstack.rendering import templates

PAGE = "static/**/*"
"""what the exporter shows beside its code"""
OF_CLUSTER = ("follower", "silence")
"""programs of the services of this name"""


def stackctl(stack: dict[str, Any]) -> dict[str, Any]:
    """Names of the directories of stackctl's virtual environment and code on a host, what is in
    them, and what it is called there."""
    plan = Plan.model_validate(stack)
    requirements = (layout.CHECKOUT / "requirements/stackctl.txt").read_text()
    roots = {
        layout.CHECKOUT / "host/stackctl": "stackctl",
        layout.CHECKOUT / "app/pgstack": "pgstack",
    }
    texts = {
        f"{name}/{path.relative_to(root)}": path.read_text()
        for root, name in roots.items()
        for path in sorted([*root.rglob("*.py"), *root.glob(PAGE)])
        if path.is_file()
    }
    # A virtual environment is for one version of Python.
    made = {
        "venv": [plan.versions.python, requirements],
        "code": sorted(texts.items()),
    }
    names = {
        kind: f"{kind}-{hashlib.sha256(repr(content).encode()).hexdigest()[:12]}"
        for kind, content in made.items()
    }
    own = {"names": plan.names.model_dump(), "plan": str(templates.plan_path(plan))}
    beside = {"programs": ["exporter", *(name for name in OF_CLUSTER if name in plan.services)]}
    return {**names, **own, **beside, "requirements": requirements, "texts": texts}


def stackctl_files(made: dict[str, Any], directory: str) -> list[dict[str, str]]:
    """Its code, its requirements and what installs both, for the module stack_files; in force once
    the launchers name them."""
    code = f"{directory}/{made['code']}"
    folders = sorted({str(Path(name).parent) for name in made["texts"]})
    installer = (layout.CHECKOUT / "host/install_stackctl.py").read_text()
    return [
        *({"dest": place} for place in (directory, code)),
        *({"dest": f"{code}/{folder}"} for folder in folders),
        *({"dest": f"{code}/{name}", "content": text} for name, text in made["texts"].items()),
        {"dest": f"{directory}/requirements.txt", "content": made["requirements"]},
        {"dest": f"{directory}/install_stackctl.py", "content": installer},
    ]


def launchers(made: dict[str, Any], directory: str) -> list[dict[str, str]]:
    """What starts stackctl, stack-manage, the exporter and a cluster's programs, and what mod_md
    calls, for the module stack_files."""
    programs = layout.CHECKOUT / "host/bin"
    places = {kind: f"{directory}/{made[kind]}" for kind in ("venv", "code")}
    message = (programs / "acme-message").read_text()
    places["plan"] = made["plan"]
    goals = {
        "stackctl": f"/usr/local/sbin/{made['names']['stackctl']}",
        "stack-manage": f"/usr/local/bin/{made['names']['manage']}",
        **{name: f"{directory}/{name}" for name in made["programs"]},
    }
    return [
        {"dest": directory},
        {"dest": f"{directory}/acme-message", "content": message, "mode": "0755"},
        *(
            {
                "dest": goal,
                "content": (programs / name).read_text().format(**places),
                "mode": "0755",
            }
            for name, goal in goals.items()
        ),
    ]
