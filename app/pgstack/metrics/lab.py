"""Advice by a run of the load lab, which the checkout has beside this package."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

from pgstack.errors import InputError
from pgstack.metrics.advised import Subject
from pgstack.planning import layout

READER = "loadtest.lab.advice"


def run(directory: Path) -> Subject:
    """The stack that a run of `make loadtest` measured. Raises InputError."""
    sys.path.append(str(layout.CHECKOUT))
    try:
        reader: Any = importlib.import_module(READER)
    except ImportError as error:
        raise InputError(
            f"--from={directory}: {error.name} is missing. The load lab is in a checkout, and "
            "`make install-dev` installs what it needs."
        ) from None
    subject: Subject = reader.subject(directory)
    return subject
