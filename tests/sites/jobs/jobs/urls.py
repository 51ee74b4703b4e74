from django.http import HttpResponse
from django.urls import path

from jobs.tasks import ENQUEUE


def enqueue(request, kind, number):
    ENQUEUE[kind](number)
    return HttpResponse("enqueued\n")


urlpatterns = [
    path("", lambda request: HttpResponse("jobs\n")),
    path("enqueue/<kind>/<int:number>", enqueue),
]
