"""`manage.py stack_kubernetes`: print manifests for Kubernetes that follow from the plan."""

from __future__ import annotations

from typing import Any

from pgstack.commands import StackCommand
from pgstack.planning import state
from pgstack.planning.packages import NEWEST
from pgstack.rendering import kubernetes


class Command(StackCommand):
    help = "Print manifests for Kubernetes, an example (docs/kubernetes.md)."

    def handle(self, **options: Any) -> None:
        # As Compose has it, with the images' release: of this machine only its size counts.
        plan = state.fresh_plan(target="compose", address="*", debian=NEWEST)
        self.stdout.write(kubernetes.text(plan), ending="")
