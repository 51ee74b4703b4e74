"""The WSGI application of a project under a strategy: pgstack.serving.serve with the settings of
the lab in the place of the overlay's."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

sys.path[:] = list(dict.fromkeys(str(Path(entry).resolve()) for entry in sys.path if entry))
# Settings of a project are read by this name.
sys.modules["pgstack.overlay.settings"] = importlib.import_module("loadtest.lab.settings")

from pgstack.serving.serve import application  # noqa: E402 - the settings come first

__all__ = ["application"]
