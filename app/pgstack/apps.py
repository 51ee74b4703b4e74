"""The reusable Django app."""

from django.apps import AppConfig


class PgstackConfig(AppConfig):
    """Management commands, health pages and the two database aliases."""

    name = "pgstack"

    def ready(self) -> None:
        """Register the system checks, and what explains errors."""
        from django.core.signals import got_request_exception

        from pgstack import checks, checks_backend, unwritable  # noqa: F401

        got_request_exception.connect(unwritable.explain)
