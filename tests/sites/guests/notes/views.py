import random

from django.db import transaction
from django.http import HttpRequest, JsonResponse

from notes.models import Note


def note(request: HttpRequest) -> JsonResponse:
    """Adds a note, in a transaction or not, and shows whose notes are here."""
    text = request.GET["text"]
    if random.random() < 0.5:
        with transaction.atomic():
            Note.objects.create(text=text)
            Note.objects.bulk_create([Note(text=text), Note(text=text)])
    else:
        Note.objects.create(text=text)
    texts = Note.objects.order_by().values_list("text", flat=True).distinct()
    return JsonResponse({"house": request.tenant.name, "texts": sorted(texts)})
