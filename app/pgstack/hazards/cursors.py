"""Cursors that live on a backend."""

from __future__ import annotations

from pgstack.hazards.model import Hazard, by

HAZARDS = (
    Hazard(
        id="H001",
        title="`.iterator()` outside a transaction",
        breaks="Django reads it through a cursor WITH HOLD on the backend. The next rows are asked "
        "of whichever "
        'backend is free then, which answers `cursor "_django_curs_…" does not exist`.',
        fix="Set `DISABLE_SERVER_SIDE_CURSORS` on the pooled alias, read inside "
        "`transaction.atomic()`, or read on the "
        "direct alias.",
        before="for row in Account.objects.iterator():\n    send(row)",
        after="DATABASES['default']['DISABLE_SERVER_SIDE_CURSORS'] = True",
        severity="warning",
        detected_by=by("audit", "guard", "check"),
        check="stack.E001",
    ),
    Hazard(
        id="H002",
        title="Cursor names that collide between forked processes",
        breaks="Django names a cursor by its thread and a counter. Two forked workers can choose "
        "the same name, and on "
        "a shared backend one of them then reads the other's rows, of another table, without an "
        "error.",
        fix="Set `DISABLE_SERVER_SIDE_CURSORS` on the pooled alias and never take it off.",
        before="DATABASES['default']['DISABLE_SERVER_SIDE_CURSORS'] = False",
        after="DATABASES['default']['DISABLE_SERVER_SIDE_CURSORS'] = True",
        severity="error",
        detected_by=by("audit", "check"),
        check="stack.E001",
    ),
    Hazard(
        id="H003",
        title="Iterators that Django itself uses",
        breaks="Every choice field of a model form (the admin too), `dumpdata` and the serializers "
        "call `.iterator()`. "
        "Pages fail now and then, although the project's own code has no iterator.",
        fix="Set `DISABLE_SERVER_SIDE_CURSORS` on the pooled alias.",
        before="forms.ModelChoiceField(queryset=Account.objects.all())",
        after="DATABASES['default']['DISABLE_SERVER_SIDE_CURSORS'] = True",
        severity="error",
        detected_by=by("audit", "check"),
        check="stack.E001",
    ),
    Hazard(
        id="H004",
        title="An iterator that is not read to its end",
        breaks="Its cursor stays open on a backend: other clients can see it, and it keeps old row "
        "versions from being "
        "vacuumed.",
        fix="Ask for the rows that are needed (`.first()`, a slice), or close the iterator.",
        before="newest = next(Event.objects.order_by('-id').iterator())",
        after="newest = Event.objects.order_by('-id').first()",
        severity="warning",
        detected_by=by("audit"),
    ),
    Hazard(
        id="H005",
        title="An iterator around transactions",
        breaks="Each commit gives the backend back, and the cursor stays behind on it. It works in "
        "development, where "
        "a client keeps its backend.",
        fix="Read the keys first and then work on them, each in its own transaction.",
        before="for job in Job.objects.iterator():\n    with transaction.atomic():\n        "
        "job.run()",
        after="for key in list(Job.objects.values_list('pk', flat=True)):\n"
        "    with transaction.atomic():\n        Job.objects.get(pk=key).run()",
        severity="error",
        detected_by=by("audit"),
    ),
    Hazard(
        id="H006",
        title="`DECLARE … WITH HOLD`",
        breaks="The cursor outlives its transaction on a backend that the client no longer has: it "
        "is lost for its "
        "owner and left behind for others.",
        fix="Use a cursor without HOLD and read it within one transaction.",
        before="DECLARE rows CURSOR WITH HOLD FOR SELECT * FROM event",
        after="BEGIN; DECLARE rows CURSOR FOR SELECT * FROM event; FETCH ALL FROM rows; COMMIT",
        severity="error",
        detected_by=by("audit", "guard"),
    ),
)
