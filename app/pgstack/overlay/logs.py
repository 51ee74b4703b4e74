"""Errors go to standard error, which is Apache's error log or the journal."""

from __future__ import annotations

from typing import Any

from pgstack.overlay.note import Note

TO_STANDARD_ERROR: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{levelname} {name}: {message}", "style": "{"}},
    "handlers": {
        "stderr": {"class": "pgstack.serving.brief_log.BriefHandler", "formatter": "line"}
    },
    "root": {"handlers": ["stderr"], "level": "WARNING"},
    # Django's own handlers print only with DEBUG, or send mail.
    "loggers": {
        "django": {"handlers": [], "propagate": True},
        # What a client did wrong is in the access log.
        "django.request": {"level": "ERROR"},
        "django.security.DisallowedHost": {"level": "CRITICAL"},
    },
}


def overlay(own: dict[str, Any]) -> tuple[dict[str, Any], list[Note]]:
    """LOGGING, where the project has none."""
    return ({} if own.get("LOGGING") else {"LOGGING": TO_STANDARD_ERROR}), []
