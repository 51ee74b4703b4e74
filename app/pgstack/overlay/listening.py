"""procrastinate's worker listens over `direct`.

Behind a transaction pooler LISTEN hears nothing, and the worker would find its jobs by polling
alone. Whatever else it does stays on the workers' pool. procrastinate calls
PROCRASTINATE_ON_APP_READY once its Django app is ready, before a worker asks for its connector.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from functools import partial
from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string

from pgstack.overlay.applications import has
from pgstack.overlay.note import Note
from pgstack.planning.background import VARIABLE
from pgstack.planning.state import current_plan

APP = "procrastinate.contrib.django"
READY, KEPT = "PROCRASTINATE_ON_APP_READY", "PGSTACK_PROCRASTINATE_ON_APP_READY"
"""its setting, and the one that keeps what the project has there"""
HOOK = f"{__name__}.listen_past_the_pooler"
PAUSE_SECONDS = 1
"""between two attempts to listen while PostgreSQL is away; the worker polls meanwhile"""
logger = logging.getLogger(__name__)


def overlay(own: dict[str, Any]) -> tuple[dict[str, Any], list[Note]]:
    """procrastinate's hook, in a worker that has a `direct`."""
    apps, listens = own.get("INSTALLED_APPS") or [], not current_plan().apart
    if VARIABLE not in os.environ or not listens or not has(apps, APP):
        return {}, []
    theirs = own.get(READY)
    return {READY: HOOK, KEPT: own.get(KEPT) if theirs == HOOK else theirs}, []


def listen_past_the_pooler(app: Any) -> None:
    """Have the connector of a worker listen over `direct`, if its jobs are in `default`."""
    if theirs := getattr(settings, KEPT, None):
        import_string(theirs)(app)
    connector = app.connector
    if getattr(connector, "alias", None) == "default":
        connector.get_worker_connector = partial(_of_worker, connector.get_worker_connector)


def _of_worker(usual: Callable[[], Any]) -> Any:
    """The connector that procrastinate makes, which listens elsewhere; as it is, with another
    driver than psycopg 3."""
    from procrastinate import PsycopgConnector
    from procrastinate.contrib.django import connector_params

    connector = usual()
    if isinstance(connector, PsycopgConnector):
        listener = PsycopgConnector(kwargs=connector_params("direct"), min_size=0, max_size=1)
        connector.listen_notify = partial(_listen, listener)
    return connector


async def _listen(listener: Any, on_notification: Any, channels: Any) -> None:
    """Until it is cancelled. procrastinate ends a worker that cannot listen; this one goes on with
    polling until PostgreSQL is back."""
    from procrastinate.exceptions import ConnectorException

    await listener.open_async()
    try:
        while True:
            try:
                await listener.listen_notify(on_notification, channels)
            except ConnectorException as error:
                logger.warning("LISTEN on `direct`: %s; tried again", error.__cause__ or error)
            await asyncio.sleep(PAUSE_SECONDS)
    finally:
        await listener.close_async()
