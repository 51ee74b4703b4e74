"""Files with which the stack logs in at a PostgreSQL that is not its own: passwords of the roles,
for PgBouncer and for libpq, and the authority that signed the server's certificate."""

from __future__ import annotations

import secrets
from pathlib import Path

from pgstack.errors import InputError, RenderError
from pgstack.planning.input_names import EXTERNAL
from pgstack.planning.plan import Plan
from pgstack.rendering.file import File
from pgstack.rendering.scram import PASSWORD_BYTES


def known(plan: Plan) -> dict[str, str]:
    """Role → password: that of its file, else a new one. Raises RenderError."""
    return {
        role: _stored_password(_file(plan, role)) or secrets.token_urlsafe(PASSWORD_BYTES)
        for role in _roles(plan)
    }


def files(plan: Plan, passwords: dict[str, str]) -> list[File]:
    """All of them, with these passwords. Raises InputError."""
    place, app = plan.paths.database, plan.roles.app
    pooler = plan.pooler
    let_in = (*pooler.identities, *pooler.task_identities, *pooler.console_identities)
    logins = [identity.role for identity in let_in]
    users = {app: passwords[app], **{name: "" for name in logins if name != app}}
    server = f"{_escaped(plan.postgres.host)}:{plan.postgres.port}:{plan.postgres.database}"
    contents = {
        "userlist.txt": [f'"{name}" "{_doubled(word)}"' for name, word in users.items()],
        "pgpass": [f"{server}:{role}:{_escaped(passwords[role])}" for role in _of_deploy(plan)],
    }
    shared = 0o400 if plan.accounts.pooler == plan.accounts.deploy else 0o440
    modes = {"userlist.txt": shared, "pgpass": 0o400}
    return [
        *(
            File(_file(plan, role), f"{word}\n", 0o400, secret=True)
            for role, word in passwords.items()
        ),
        *(
            File(Path(place, name), "".join(f"{line}\n" for line in lines), modes[name], True)
            for name, lines in contents.items()
        ),
        File(Path(plan.postgres.connection["sslrootcert"]), _authority(plan), 0o444),
    ]


def _roles(plan: Plan) -> list[str]:
    return list(dict.fromkeys(login.role for login in plan.postgres.passwords))


def _of_deploy(plan: Plan) -> list[str]:
    """Roles as which whoever deploys goes past PgBouncer."""
    known = plan.postgres.passwords
    return list(
        dict.fromkeys(login.role for login in known if login.account == plan.accounts.deploy)
    )


def _file(plan: Plan, role: str) -> Path:
    return Path(plan.paths.database, "passwords", role)


def _stored_password(path: Path) -> str:
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise RenderError(f"{path}: {reason}. Let the stack's account read it.") from None


def _authority(plan: Plan) -> str:
    given = plan.external.authority if plan.external else ""
    try:
        return Path(given).read_text()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise InputError(
            f"{EXTERNAL}: sslrootcert={given}: {reason}. Name a PEM file that the stack's account "
            "may read."
        ) from None


def _escaped(text: str) -> str:
    """As libpq's password file has it."""
    return text.replace("\\", "\\\\").replace(":", "\\:")


def _doubled(text: str) -> str:
    """As PgBouncer's file of users has it."""
    return text.replace('"', '""')
