"""`restoring.py DUMP`: start a local stack with the rows of a dump of pg_dump's, in its custom or
plain format, before the project's migrations."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(CHECKOUT), str(CHECKOUT / "app")]

from django.conf import settings  # noqa: E402 - the path comes first

from pgstack.errors import InputError, ends_the_process  # noqa: E402
from pgstack.ops.postgres import psql  # noqa: E402
from pgstack.planning.plan import Plan  # noqa: E402
from pgstack.planning.services import postgres_program  # noqa: E402
from pgstack.targets import local  # noqa: E402

CUSTOM = b"PGDMP"
"""how a dump in the custom format begins"""


def command(dump: Path, plan: Plan) -> list[str]:
    """What puts the dump's rows into the plan's database, all or none."""
    with dump.open("rb") as file:
        is_custom = file.read(len(CUSTOM)) == CUSTOM
    where = (plan.paths.run_postgres, plan.postgres.port, plan.postgres.database)
    if not is_custom:
        return psql(*where, "--single-transaction", f"--file={dump}", user=plan.roles.admin)
    return [
        # stack: allow H033 past the pool, as the administrator
        postgres_program(plan, "pg_restore"),
        "--exit-on-error",
        "--single-transaction",
        "--no-owner",
        "--no-privileges",
        "--no-comments",
        f"--host={where[0]}",
        f"--port={where[1]}",
        f"--username={plan.roles.admin}",
        f"--dbname={where[2]}",
        str(dump),
    ]


def restore(dump: Path, plan: Plan) -> None:
    """Rows of the role that owns the schema. Raises InputError with PostgreSQL's reason."""
    owned = {**os.environ, "PGOPTIONS": f"-c role={plan.roles.owner}"}
    words = command(dump, plan)
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=owned)
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        reason = next((line for line in lines if "error" in line.lower()), "".join(lines[:1]))
        raise InputError(
            f"DUMP={dump}: it cannot be restored: {reason}. Make it with `pg_dump --format=custom "
            f"--no-owner --no-privileges`, of PostgreSQL {plan.versions.postgresql} or older."
        )


def main() -> None:
    """Start the stack that the environment names."""
    with ends_the_process():
        settings.configure(INSTALLED_APPS=["pgstack"])
        local.up(print, partial(restore, Path(sys.argv[1])))


if __name__ == "__main__":
    main()
