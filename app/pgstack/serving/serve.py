"""The WSGI application of a project under the overlay: what mod_wsgi loads, once per process."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

# Resolved once. A release moves a symbolic link; a process that started before it must go on
# importing from where it started, also modules that it imports late.
sys.path[:] = list(dict.fromkeys(str(Path(entry).resolve()) for entry in sys.path if entry))
os.environ["DJANGO_SETTINGS_MODULE"] = "pgstack.overlay.settings"


def load() -> Callable[..., Iterable[bytes]]:
    """The project's application, with its views imported.

    The settings are read first: a WSGI module that names other ones comes too late.
    """
    from pgstack.serving import error_log, tracing

    error_log.take_over()

    from django.conf import settings
    from django.core.servers.basehttp import get_internal_wsgi_application
    from django.db import connections
    from django.urls import get_resolver

    from pgstack.planning.state import current_plan
    from pgstack.serving.watchdog import watched
    from pgstack.wsgi import leave_access_log, settle

    leave_access_log()
    settings.INSTALLED_APPS  # noqa: B018 - reads them
    tracing.start()
    plan = current_plan()
    named = plan.project.wsgi if plan.project else ""
    application: Any = (
        importlib.import_module(named).application if named else get_internal_wsgi_application()
    )
    get_resolver().url_patterns  # noqa: B018 - the property imports every view
    # one that the import opened belongs to a thread that answers no request
    connections.close_all()
    settle()
    return watched(application)


try:
    application = load()
except Exception:
    from pgstack.serving import unwritable

    unwritable.explain()
    raise
