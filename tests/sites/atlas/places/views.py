from typing import Any

import django.db.backends.postgresql.psycopg_any as driver
from django.contrib.gis.db.models.functions import Distance
from django.contrib.gis.geos import Point, Polygon
from django.contrib.postgres.search import TrigramSimilarity
from django.core.serializers import serialize
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse

from places.models import Place


def front(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"{Place.objects.count()} places")


def near(request: HttpRequest) -> JsonResponse:
    """The three nearest places, with their distances in kilometres."""
    here = Point(float(request.GET["lon"]), float(request.GET["lat"]), srid=4326)
    places = Place.objects.annotate(away=Distance("point", here)).order_by("away")[:3]
    return JsonResponse({place.name: round(place.away.km) for place in places})


def geojson(request: HttpRequest) -> HttpResponse:
    """Places in a box, for a map."""
    box = Polygon.from_bbox([float(part) for part in request.GET["bbox"].split(",")])
    places: Any = Place.objects.filter(point__intersects=box).order_by("name")
    text = serialize("geojson", places, geometry_field="point", fields=["name", "tags"])
    return HttpResponse(text, content_type="application/geo+json")


def search(request: HttpRequest) -> JsonResponse:
    """The place whose name is most like what was typed."""
    alike = TrigramSimilarity("name", request.GET["q"])
    place = Place.objects.annotate(alike=alike).order_by("-alike").first()
    return JsonResponse({"name": place.name if place else "", "tags": place and place.tags})


def backend(request: HttpRequest) -> JsonResponse:
    return JsonResponse(
        {"engine": connection.settings_dict["ENGINE"], "psycopg": 3 if driver.is_psycopg3 else 2}
    )
