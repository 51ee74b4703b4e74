"""What every part of a plan is."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """A frozen part of a plan that refuses fields it does not know.

    Each process reads few of the parts: a validator is built when it is first used.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)
