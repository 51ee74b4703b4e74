"""The reusable Django app."""

from django.apps import AppConfig


class PgstackConfig(AppConfig):
    """Management commands, health pages and the two database aliases."""

    name = "pgstack"

    def ready(self) -> None:
        """Register the system checks."""
        from pgstack import checks, checks_backend  # noqa: F401
