"""`python -m pgstack.targets.next_version`: what Compose's `make upgrade` has to know of the plan
that the inputs give with the images of now, as JSON. Nothing is written."""

from __future__ import annotations

import json

from pgstack.errors import ends_the_process
from pgstack.external import survey
from pgstack.planning import state
from pgstack.planning.services import postgres_program
from pgstack.rendering import templates


def told() -> dict[str, object]:
    """PostgreSQL's version, programs, database and administrator, and the script of its roles.
    Raises StackError."""
    plan = survey.fresh_plan(survey.ask(state.inputs()))
    return {
        "version": plan.versions.postgresql,
        "directory": postgres_program(plan, ""),
        "database": plan.postgres.database,
        "admin": plan.roles.admin,
        "port": plan.postgres.port,
        "sockets": plan.paths.run_postgres,
        "conf": plan.paths.conf,
        "roles": templates.text(plan, "postgres/roles.sql"),
    }


if __name__ == "__main__":
    with ends_the_process():
        print(json.dumps(told()))
