"""The health pages and the page for staff, before everything else that a project does with a
request."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from django.http import Http404, HttpRequest, HttpResponse

from pgstack import staff_page, views
from pgstack.live.probes import web

Answer = Callable[[HttpRequest], HttpResponse]
PROBE = f"/{web.PATH}"
PAGES: dict[str, Answer] = {
    "/healthz": views.healthz,
    "/readyz": views.readyz,
    **{staff_page.PAGE + name: partial(staff_page.page, name=name) for name in staff_page.NAMES},
}


class Operations:
    """Answers these addresses itself, so that the project's URLconf, logins and redirects stay out
    of it."""

    def __init__(self, get_response: Answer) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """An unsigned probe is the project's to answer, like every address that it does not
        have."""
        page = PAGES.get(request.path_info)
        if page is None and request.path_info.endswith(PROBE):
            page = views.probe  # each lane has one below its prefix
        if page is None:
            return self.get_response(request)
        try:
            return page(request)
        except Http404:
            return self.get_response(request)
