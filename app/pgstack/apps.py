"""The reusable Django app."""

from django.apps import AppConfig


class PgstackConfig(AppConfig):
    """Management commands, health pages and the two database aliases."""

    name = "pgstack"

    def ready(self) -> None:
        """Register the system checks, and what explains errors."""
        from django.core.signals import got_request_exception

        from pgstack import checks  # noqa: F401
        from pgstack.checks import backend as checks_backend  # noqa: F401
        from pgstack.serving import unwritable

        got_request_exception.connect(unwritable.explain)
