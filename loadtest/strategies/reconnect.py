"""What Django and Debian do out of the box: for each request a new TCP connection with TLS and SCRAM."""

import json
from pathlib import Path

from config.settings import *  # noqa: F403
from pgstack import settings as stack
from pgstack.state import current_plan

# Made by loadtest/lab.py beside the stack's other secrets.
LOGIN = json.loads(Path(current_plan().paths.secrets, "loadtest.json").read_text())

DATABASES = stack.databases()
DATABASES["default"] |= {
    "HOST": LOGIN["host"],
    "PORT": str(current_plan().postgres.port),
    "USER": LOGIN["user"],
    "PASSWORD": LOGIN["password"],
    "CONN_MAX_AGE": 0,
    "OPTIONS": {"application_name": "web", "sslmode": "require"},
}
