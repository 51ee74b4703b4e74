#!/usr/bin/env python3
"""Django's command line, for the project that the stack serves: the demo, or that of
STACK_PROJECT."""

import gc
import os
import sys

PLAN_ANEW = {"stack_kubernetes", "stack_local", "stack_plan", "stack_render"}
"""Commands that plan from the inputs: the project's settings, which read the plan on disk, could
keep them from it."""

AS_ROOT = (
    ["stack_verify"],
    ["stack_local", "delete"],
    ["stack_local", "backup"],
    ["stack_local", "restore"],
)
"""Commands that root runs as root: some give it up after a check or once they have read root's
passphrase, one deletes a directory in one of root's."""

ASKING = (["stack_local", "up"], ["stack_local", "reload"], ["stack_plan"])
"""Commands that ask an external PostgreSQL: root reads the password of its login first, which the
stack's account need not know."""

OF_THE_STACK = {"stack_verify", "stack_pools"}
"""Commands that ask the servers: they read no code of the project, which root must not run."""


def main() -> None:
    """Run one management command; as root, as the account that owns the local stack."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    try:
        from pgstack.wsgi import GC_THRESHOLD

        gc.set_threshold(GC_THRESHOLD)  # most of what is made from here on stays: it is loaded

        from django.conf import settings
        from django.core.management import execute_from_command_line

        from pgstack import settings as stack
        from pgstack.errors import ends_the_process
        from pgstack.external import password
        from pgstack.live import account
        from pgstack.planning import layout, state
        from pgstack.targets import project
    except KeyboardInterrupt:
        sys.exit(130)

    with ends_the_process():
        if any(sys.argv[1 : 1 + len(words)] == words for words in ASKING):
            password.of_login(state.inputs())
        if "STACK_PLAN" not in os.environ and not any(
            sys.argv[1 : 1 + len(words)] == words for words in AS_ROOT
        ):
            account.assume_owner(layout.stack_directory(state.inputs()))
        if PLAN_ANEW.intersection(sys.argv[1:2]):
            settings.configure(INSTALLED_APPS=["pgstack"])
        elif (plan := state.current_plan()).project and OF_THE_STACK.intersection(sys.argv[1:2]):
            settings.configure(INSTALLED_APPS=["pgstack"], DATABASES=stack.databases(), USE_TZ=True)
        elif plan.project:
            project.become(plan, sys.argv[1:])
        execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
