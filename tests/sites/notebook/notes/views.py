from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse

from notes.models import Note


def notes(request: HttpRequest) -> HttpResponse:
    """All of them, and how many there are: two queries."""
    texts = list(Note.objects.values_list("text", flat=True))
    return HttpResponse(f"{Note.objects.count()}: {texts}")


def hello(request: HttpRequest) -> HttpResponse:
    return HttpResponse("hello")


@login_required(login_url="/login")
def mine(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.user.get_username())


def visits(request: HttpRequest) -> HttpResponse:
    """Notes that it was read, as shops do."""
    Note.objects.create(text="read")
    return HttpResponse("counted")


def broken(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("the author's mistake")
