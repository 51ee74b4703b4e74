"""Template filters for figures."""

from __future__ import annotations

from django import template

register = template.Library()


@register.filter
def thousands(value: int) -> str:
    """`1234567` as `1,234,567`."""
    return f"{value:,}"


@register.filter
def milliseconds(seconds: float) -> str:
    """`0.0123` as `12 ms`; `live.js` writes the same."""
    return f"{round(seconds * 1000):,} ms"
