"""Kept connections straight to PostgreSQL's socket, one for each request thread, by peer authentication."""

from config.settings import *  # noqa: F403
from pgstack import settings as stack
from pgstack.state import current_plan

DATABASES = stack.databases()
DATABASES["default"] |= {
    "HOST": current_plan().paths.run_postgres,
    "PORT": str(current_plan().postgres.port),
    "USER": current_plan().roles.app,
    "CONN_MAX_AGE": None,
}
