"""Who asks for a project's pages: nobody, the owner of a session in the database, or whom a
function of the project names.

`python -m loadtest.lab.login session KEY` and `… login MODULE:FUNCTION`, in the project's Python
and directory, print the cookies.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

from loadtest.lab.paths import CHECKOUT
from pgstack.errors import InputError, ends_the_process
from pgstack.targets import project

if TYPE_CHECKING:
    from collections.abc import Mapping

    from loadtest.lab.server import LabStack

SAID = "cookies "
"""begins the line that is the answer: what a project prints itself is not"""


def headers(environment: Mapping[str, str], lab_stack: LabStack) -> tuple[str, ...]:
    """The header of whom SESSION or LOGIN names; none without. The stack's database must run.
    Raises InputError."""
    ways = [(way, value) for way in ("SESSION", "LOGIN") if (value := environment.get(way))]
    if not ways:
        return ()
    way, value = ways[0]
    plan = lab_stack.plan
    variables = {**project.variables(plan), "DJANGO_SETTINGS_MODULE": plan.web.settings}
    done = subprocess.run(
        [project.python(plan), "-m", "loadtest.lab.login", way.lower(), value],
        cwd=plan.paths.app,
        env={**variables, "PYTHONPATH": f"{variables['PYTHONPATH']}{os.pathsep}{CHECKOUT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    said = [line for line in done.stdout.splitlines() if line.startswith(SAID)]
    if done.returncode or not said:
        raise InputError(done.stderr.strip() or f"{way}: no cookie came of it.")
    cookies = json.loads(said[-1].removeprefix(SAID))
    return ("Cookie: " + "; ".join(f"{name}={value}" for name, value in cookies.items()),)


def of_session(key: str) -> dict[str, str]:
    """The cookie of a session that the project has. Raises InputError."""
    from django.conf import settings

    engine = importlib.import_module(settings.SESSION_ENGINE)
    if not engine.SessionStore(session_key=key).load():
        raise InputError(
            "SESSION: the project has no such session, or it has expired, or it was signed with "
            "another SECRET_KEY. Take one that DUMP brings, or name a LOGIN."
        )
    return {settings.SESSION_COOKIE_NAME: key}


def of_function(named: str) -> dict[str, str]:
    """The cookies of the user that a function returns. Raises InputError."""
    from django.test import Client

    module, _, function = named.partition(":")
    try:
        user = getattr(importlib.import_module(module), function)()
    except Exception as error:
        raise InputError(
            f"LOGIN={named}: {type(error).__name__}: {error}. Name a function that can be imported "
            "from the project's directory and returns a user, such as LOGIN=shop.lab:visitor."
        ) from error
    client = Client()
    try:
        client.force_login(user)
    except Exception as error:
        raise InputError(
            f"LOGIN={named}: it returned {user!r}, who cannot log in: {error}. Return a user of "
            "AUTH_USER_MODEL that is saved."
        ) from error
    return {name: morsel.value for name, morsel in client.cookies.items()}


def main() -> None:
    """Print what the command line asks for."""
    import django

    django.setup()
    with ends_the_process():
        way, value = sys.argv[1:]
        cookies = of_session(value) if way == "session" else of_function(value)
        print(f"\n{SAID}{json.dumps(cookies)}")


if __name__ == "__main__":
    main()
