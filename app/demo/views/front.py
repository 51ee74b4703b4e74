"""The front page and the live state of the pools."""

from __future__ import annotations

from django.contrib.staticfiles.storage import staticfiles_storage
from django.http import HttpRequest, HttpResponse, HttpResponsePermanentRedirect, JsonResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache

from demo.pools import live_pools
from pgstack.planning.state import current_plan

REFRESH = 2
"""Seconds between two looks of the front page at the pools."""

REQUESTS, PARALLEL = 300, 6
"""What the front page's button sends, and how many at a time: browsers open six connections to a
host."""


def front(request: HttpRequest) -> HttpResponse:
    """What this is, what it runs with and what the pools do right now."""
    context = {
        "plan": current_plan(),
        "live": live_pools(),
        "refresh": REFRESH,
        "requests": REQUESTS,
        "parallel": PARALLEL,
    }
    return render(request, "demo/front.html", context)


@never_cache
def pools_json(request: HttpRequest) -> JsonResponse:
    """The pools, for the script of the front page. `available` is false when PgBouncer's console is
    silent."""
    return JsonResponse(live_pools().as_json())


def favicon(request: HttpRequest) -> HttpResponse:
    """Where browsers look for an icon when a page, such as JSON, names none."""
    return HttpResponsePermanentRedirect(staticfiles_storage.url("demo/favicon.svg"))
