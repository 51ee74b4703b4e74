"""pretalx as it is, told where its broker is: it reads variables with names of its own."""

import os

BROKER = os.environ["CELERY_BROKER_URL"]
os.environ.setdefault("PRETALX_CELERY_BROKER", BROKER)
os.environ.setdefault("PRETALX_CELERY_BACKEND", BROKER)
os.environ.setdefault("PRETALX_REDIS", os.environ["VALKEY_URL"])

from pretalx.settings import *  # noqa: E402, F403
