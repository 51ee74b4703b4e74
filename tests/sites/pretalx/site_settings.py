"""pretalx as it is, told where its broker is: it reads variables with names of its own. Its key it
would keep in a file for one account alone, and the stack has several."""

import os
from tempfile import NamedTemporaryFile

BROKER = os.environ["CELERY_BROKER_URL"]
os.environ.setdefault("PRETALX_CELERY_BROKER", BROKER)
os.environ.setdefault("PRETALX_CELERY_BACKEND", BROKER)
os.environ.setdefault("PRETALX_REDIS", os.environ["VALKEY_URL"])
with NamedTemporaryFile("w") as given:
    print("[site]\nsecret =", os.environ["SECRET_KEY"], file=given, flush=True)
    os.environ["PRETALX_CONFIG_FILE"] = given.name
    from pretalx.settings import *  # noqa: F403
