"""The field's standard pages, after TechEmpower's rules, so that figures compare."""

from __future__ import annotations

from random import randint, sample

from django.core.cache import cache
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render

from demo.models import WORLD_ROWS, Fortune, World
from pgstack.db.replica import reads_replica

MAX_QUERIES = 500
MAX_SECONDS = 5.0
EXTRA_FORTUNE = "Additional fortune added at request time."


def plain(request: HttpRequest) -> HttpResponse:
    """A text and no query: what is left when the database costs nothing."""
    return HttpResponse("Hello, World!", content_type="text/plain")


def json(request: HttpRequest) -> JsonResponse:
    """JSON serialization: an object made for each request."""
    return JsonResponse({"message": "Hello, World!"})


def db(request: HttpRequest) -> JsonResponse:
    """Single query: one random row."""
    return JsonResponse(_as_json(_random_world()))


def queries(request: HttpRequest) -> JsonResponse:
    """Multiple queries: `n` random rows, each with a query of its own."""
    return JsonResponse([_as_json(_random_world()) for _ in range(_count(request))], safe=False)


@reads_replica
def fortunes(request: HttpRequest) -> HttpResponse:
    """Fortunes: all rows and one made here, sorted by text, escaped, as HTML."""
    rows = [*Fortune.objects.all(), Fortune(id=0, message=EXTRA_FORTUNE)]
    rows.sort(key=lambda fortune: fortune.message)
    return render(request, "demo/fortunes.html", {"fortunes": rows})


def cached(request: HttpRequest) -> JsonResponse:
    """A row that the cache keeps for a second: one question to it, and seldom one to the
    database."""
    return JsonResponse(cache.get_or_set("world", lambda: _as_json(_random_world()), timeout=1))


def updates(request: HttpRequest) -> JsonResponse:
    """Updates: read `n` rows with a query each, give each a new number, write all.

    The reads are not part of the transaction, so the pooler may lend the server connection
    to others between them; it is held for three statements however large `n` is. Rows are
    locked in the order of their ids, so that concurrent updates wait for each other and
    never deadlock; the UPDATE alone would lock in whatever order the planner picks.
    """
    ids = sorted(sample(range(1, WORLD_ROWS + 1), _count(request)))
    worlds = [World.objects.get(pk=pk) for pk in ids]
    for world in worlds:
        world.random_number = randint(1, WORLD_ROWS)  # noqa: S311 - a benchmark, no secret
    with transaction.atomic():
        locks = World.objects.select_for_update(no_key=True).filter(pk__in=ids).order_by("pk")
        list(locks.values_list("pk"))
        World.objects.bulk_update(worlds, ["random_number"])
    return JsonResponse([_as_json(world) for world in worlds], safe=False)


def slow(request: HttpRequest) -> JsonResponse:
    """A query that takes `seconds`, up to 5: it keeps a thread and a backend, and no core."""
    try:
        asked = float(request.GET.get("seconds") or 1)
    except ValueError:
        asked = 1.0
    seconds = min(max(0.0, asked), MAX_SECONDS)  # 0 for NaN
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(%s)", [seconds])
    return JsonResponse({"seconds": seconds})


def _random_world() -> World:
    return World.objects.get(pk=randint(1, WORLD_ROWS))  # noqa: S311 - a benchmark, no secret


def _as_json(world: World) -> dict[str, int]:
    return {"id": world.pk, "randomNumber": world.random_number}


def _count(request: HttpRequest) -> int:
    """How many rows `?n=` (or `?queries=`, TechEmpower's name) asks for: 1 to 500, and 1 when
    it is not a number."""
    try:
        asked = int(request.GET.get("n") or request.GET.get("queries") or 1)
    except ValueError:
        return 1
    return min(max(asked, 1), MAX_QUERIES)
