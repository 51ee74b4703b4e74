"""Hypothesis without chance and without a clock: the same examples on every machine, slow or
fast."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("stack", derandomize=True, deadline=None)
settings.load_profile("stack")
