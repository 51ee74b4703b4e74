"""Where the lab has what it needs. Read in a project's own Python, too: nothing is imported."""

from __future__ import annotations

from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
PACKAGES = CHECKOUT / ".cache/lab"
"""what the strategies need on top of the stack's own virtual environment; see
requirements/lab.in"""
