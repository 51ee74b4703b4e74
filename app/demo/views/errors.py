"""Error pages. They ask nothing of the database or the static files' manifest."""

from __future__ import annotations

import sys

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

RETRY_AFTER = 1
"""Seconds. A pooler or database that restarts is back that soon."""


def _page(status: int, title: str, text: str) -> HttpResponse:
    return HttpResponse(
        render_to_string("demo/error.html", {"title": title, "text": text}), status=status
    )


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400, without repeating what was sent."""
    return _page(400, "Bad request", "The server cannot make sense of this request.")


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """403."""
    return _page(403, "Not allowed", "You may not see this page.")


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403 for a form that did not come from this site's own page."""
    return _page(
        403,
        "Form refused",
        "This form is stale, or it was not sent from this site. Reload the page and send it again.",
    )


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404."""
    return _page(404, "Page not found", "There is nothing at this address.")


def server_error(request: HttpRequest) -> HttpResponse:
    """503 when the database is away, which passes, and 500 otherwise, which does not."""
    if isinstance(sys.exc_info()[1], (OperationalError, InterfaceError)):
        response = _page(
            503, "Back in a moment", "The database does not answer. Try again in a second."
        )
        response.headers["Retry-After"] = str(RETRY_AFTER)
        return response
    return _page(500, "Something broke", "The error is in the server's log.")
