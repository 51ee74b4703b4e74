"""The demo as a Django app."""

from django.apps import AppConfig


class DemoConfig(AppConfig):
    """Pages to load, and the ledger."""

    name = "demo"
    verbose_name = "Demo"
