"""A project with six task queues, each set up as its documentation says."""

import os
from pathlib import Path

QUEUES = Path(os.environ["QUEUE_DIR"])
CELERY_QUEUE, CELERY_CONTROL = QUEUES / "celery", QUEUES / "celery-control"
for directory in (CELERY_QUEUE, CELERY_CONTROL):
    directory.mkdir(exist_ok=True)

SECRET_KEY = os.environ.get("SECRET_KEY", "")
ROOT_URLCONF = "jobs.urls"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql", "NAME": "jobs"}}
STATIC_URL = "static/"
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.staticfiles",
    "django_dramatiq",
    "django_rq",
    "huey.contrib.djhuey",
    "django_tasks",
    "django_tasks_db",
    "procrastinate.contrib.django",
    "jobs",
]

CELERY_BROKER_URL = "filesystem://"
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "data_folder_in": str(CELERY_QUEUE),
    "data_folder_out": str(CELERY_QUEUE),
    "control_folder": str(CELERY_CONTROL),
}
CELERY_TASK_IGNORE_RESULT = True
HUEY = {
    "huey_class": "huey.SqliteHuey",
    "name": "jobs",
    "filename": str(QUEUES / "huey.db"),
    "immediate": False,
}
TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}
RQ_QUEUES = {"default": {"URL": os.environ["VALKEY_URL"]}}
DRAMATIQ_BROKER = {
    "BROKER": "dramatiq.brokers.redis.RedisBroker",
    "OPTIONS": {"url": os.environ["VALKEY_URL"]},
    "MIDDLEWARE": [
        "dramatiq.middleware.TimeLimit",
        "dramatiq.middleware.Retries",
        "django_dramatiq.middleware.DbConnectionsMiddleware",
    ],
}
