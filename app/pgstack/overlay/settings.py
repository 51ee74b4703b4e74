"""The settings module of every project but the demo: the project's own settings, and the plan laid
over them."""

from __future__ import annotations

from pgstack.overlay.loading import load

_own, _laid_over, notes = load()

globals().update(_own)
globals().update(_laid_over)
