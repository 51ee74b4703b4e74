"""`manage.py stack_page`: an address at which the page for staff is open without a login."""

from __future__ import annotations

from typing import Any

from pgstack import settings, staff_page
from pgstack.commands import StackCommand
from pgstack.errors import ProbeError
from pgstack.planning.state import current_plan


class Command(StackCommand):
    help = "Print an address that opens the page of this stack without a login, for 10 minutes."

    def handle(self, **options: Any) -> None:
        plan = current_plan()
        if plan.metrics is None:
            raise ProbeError("STACK_OBSERVABILITY=off: there is no page.")
        self.stdout.write(settings.origins()[0] + staff_page.invitation())
