"""The reusable Django app."""

from django.apps import AppConfig


class PgstackConfig(AppConfig):
    """Management commands, health pages and the two database aliases."""

    name = "pgstack"
