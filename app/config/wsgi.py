"""The WSGI application that mod_wsgi loads, once per daemon process, before its first request."""

from __future__ import annotations

import os
import sys
from pathlib import Path

# Resolved once. A release moves a symbolic link; a process that started before it must
# go on importing the release that it started with, also for modules it imports late.
APP_DIRECTORY = Path(__file__).resolve().parent.parent
sys.path[:] = [
    str(APP_DIRECTORY),
    *(entry for entry in sys.path if not entry or Path(entry).resolve() != APP_DIRECTORY),
]
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from pgstack.serving import error_log, tracing  # noqa: E402 - the path comes first

error_log.take_over()

from django.core.wsgi import get_wsgi_application  # noqa: E402 - the settings change the zone

from pgstack.serving.watchdog import watched  # noqa: E402
from pgstack.wsgi import leave_access_log, settle  # noqa: E402

leave_access_log()
tracing.start()
django_application = get_wsgi_application()


def preload() -> None:
    """Import the views and compile the templates now rather than in the first request.

    No database connection is opened: it would belong to the importing thread, which never
    answers a request, and hold one of the pooler's client slots for nothing.
    """
    from django.template.loader import get_template
    from django.urls import get_resolver, reverse

    get_resolver().url_patterns  # noqa: B018 - the property imports every view
    reverse("demo:front")
    templates = APP_DIRECTORY / "demo" / "templates"
    for path in sorted(templates.rglob("*.html")):
        get_template(str(path.relative_to(templates)))


preload()
settle()
application = watched(django_application)
