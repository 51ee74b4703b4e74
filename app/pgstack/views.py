"""Health pages. They tell nothing about versions."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import asdict

from django.core.signing import BadSignature
from django.db import Error, connection
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache

from pgstack.live.probes import web
from pgstack.planning import lanes

STARTED = time.time()
"""seconds since 1970: when this process imported the views"""


@never_cache
def healthz(request: HttpRequest) -> HttpResponse:
    """200 as long as the process lives; asks nothing of the database."""
    return JsonResponse({"status": "alive"})


@never_cache
def readyz(request: HttpRequest) -> HttpResponse:
    """A query went through the pooler to PostgreSQL and came back; 503 when it did not."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            cursor.fetchone()
    except Error:
        return JsonResponse({"status": "database unavailable"}, status=503)
    return JsonResponse({"status": "ready"})


@never_cache
def probe(request: HttpRequest) -> HttpResponse:
    """What this request thread is, for `stack_verify`; 404 for everybody without a fresh signature.

    The signed value is the time in seconds that the answer is held back, so that several requests
    at a time need several threads. The backend is free meanwhile.
    """
    try:
        signed = web.signer().unsign(
            request.headers.get(web.HEADER, ""), max_age=web.MAX_AGE_SECONDS
        )
    except BadSignature:
        raise Http404 from None
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        backend = cursor.fetchone()[0]
    time.sleep(min(float(signed), web.MAX_HOLD_SECONDS))
    answer = web.Answer(
        os.getpid(),
        threading.get_native_id(),
        backend,
        STARTED,
        *_shape(),
        group=lanes.own_group(),
        database=str(connection.settings_dict["NAME"]),
        path=request.path_info,
    )
    return JsonResponse(asdict(answer))


def _shape() -> tuple[int | None, int | None]:
    """Processes and threads that mod_wsgi was told to run; unknown under another server."""
    try:
        import mod_wsgi

        shape = (mod_wsgi.maximum_processes, mod_wsgi.threads_per_process)
    except (ImportError, AttributeError):
        return None, None
    return shape
