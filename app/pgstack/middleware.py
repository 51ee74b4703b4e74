"""The health pages and the page for staff, before everything else that a project does with a
request, and what lets visitors read what they wrote."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from django.core.exceptions import MiddlewareNotUsed
from django.db import connections
from django.http import Http404, HttpRequest, HttpResponse

from pgstack import staff_page, views
from pgstack.db import replica
from pgstack.db.aliases import PINNED_KEY, REPLICA
from pgstack.live.probes import web

Answer = Callable[[HttpRequest], HttpResponse]
PROBE = f"/{web.PATH}"
SAFE = ("GET", "HEAD", "OPTIONS", "TRACE")
"""methods of requests that may read from `replica`"""
PINNED = "stack_reads_primary"
"""cookie of a visitor who has just written; nothing is signed, for who forges it reads from
`default` only, as without `replica`"""
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


class ReplicaReads:
    """Has a visitor who has written read from `default` for a while."""

    def __init__(self, get_response: Answer) -> None:
        alias = connections.settings.get(REPLICA)
        if alias is None:
            raise MiddlewareNotUsed
        self.get_response, self.seconds = get_response, alias[PINNED_KEY]

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """The browser's own clock ends it: clocks of web hosts do not count."""
        writes = request.method not in SAFE
        with replica.of_request(pinned=writes or PINNED in request.COOKIES) as reads:
            response = self.get_response(request)
        if writes or reads.wrote:
            secure = request.is_secure()
            response.set_cookie(
                PINNED, "1", self.seconds, httponly=True, secure=secure, samesite="Lax"
            )
        return response
