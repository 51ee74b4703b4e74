"""Base of the management commands: errors on one line, exit codes that mean something."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand

from pgstack.errors import StackError

CHECK_FAILED = 1
CANNOT = 2


class StackCommand(BaseCommand):
    """A command that ends with 1 when a check failed and with 2 when it could not do its work."""

    requires_system_checks: list[str] = []

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Run the command; an error raised on purpose becomes one line and exit code 2."""
        try:
            return super().execute(*args, **options)
        except StackError as error:
            self.stderr.write(str(error))
            sys.exit(CANNOT)
