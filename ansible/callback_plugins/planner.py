"""Loads the planner's filters once for a run.

Ansible looks for filters in the process that it forks for each task, and each would import the
planner again. Nor does each go through what was loaded in search of garbage.
"""

from __future__ import annotations

import gc

from ansible.playbook import Playbook
from ansible.plugins.callback import CallbackBase
from ansible.plugins.loader import filter_loader

DOCUMENTATION = """
name: planner
type: aggregate
short_description: Load the planner's filters before the first task
description: Prints nothing.
"""
FILTER = "stack_plan"
"""any of them: all are in one file"""


class CallbackModule(CallbackBase):  # type: ignore[misc]
    """What Ansible calls."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "planner"

    def v2_playbook_on_start(self, playbook: Playbook) -> None:  # noqa: ARG002 - Ansible calls it
        """The run begins, and nothing is forked yet."""
        filter_loader.get(FILTER)
        gc.freeze()
