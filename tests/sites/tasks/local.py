"""mysite/settings/local.py of a site that `wagtail start` made: its tasks wait in PostgreSQL."""

from mysite.settings.base import INSTALLED_APPS

INSTALLED_APPS += ["django_tasks", "django_tasks_db"]
TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}
