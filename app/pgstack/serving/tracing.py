"""Spans of requests and statements for OpenTelemetry, where the project's variables name a
collector and its environment has the libraries (`pgstack[otel]`)."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable
from typing import Any

from pgstack.serving.current import NUMBER
from pgstack.serving.meter import queued

COLLECTOR = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
EXCLUDED, NOT_RECORDED = "OTEL_PYTHON_DJANGO_EXCLUDED_URLS", "healthz,readyz"
PROPAGATORS = "OTEL_PROPAGATORS"
"""variable: which headers say to what trace a request belongs"""
DRIVERS = {"psycopg2": "Psycopg2Instrumentor", "psycopg": "PsycopgInstrumentor"}
PACKAGES = (
    "opentelemetry-sdk opentelemetry-exporter-otlp-proto-http opentelemetry-instrumentation-django"
)


class Deaf:
    """Propagates nothing: a visitor's headers say neither to which trace a request belongs nor that
    it is recorded."""

    fields: frozenset[str] = frozenset()

    def __init__(self, context: Callable[[], Any]) -> None:
        self.context = context

    def extract(self, _: object, context: Any = None, **__: object) -> Any:
        """A request begins a trace of its own."""
        return context or self.context()

    def inject(self, *_: object, **__: object) -> None:
        """Pass the trace on to no other server."""


def start() -> None:
    """Send spans from this process from now on. Called once the settings can be read, and before
    the application is made.

    What is missing is logged, and pages are served without it.
    """
    asked = [name for name in COLLECTOR if os.environ.get(name)]
    off = os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    if not asked or off or "mod_wsgi" not in sys.modules:
        return
    os.environ.setdefault(EXCLUDED, NOT_RECORDED)
    try:
        _instrument()
    except ImportError as error:
        print(
            f"{asked[0]} is set, but {error.name} is not installed: no traces. The project's "
            f"requirements need {PACKAGES} and opentelemetry-instrumentation-psycopg2 "
            "(or -psycopg).",
            file=sys.stderr,
            flush=True,
        )


def _instrument() -> None:
    """Raises ImportError."""
    trace = importlib.import_module("opentelemetry.trace")
    sdk = importlib.import_module("opentelemetry.sdk.trace")
    export = importlib.import_module("opentelemetry.sdk.trace.export")
    otlp = importlib.import_module("opentelemetry.exporter.otlp.proto.http.trace_exporter")
    django = importlib.import_module("opentelemetry.instrumentation.django")
    if PROPAGATORS not in os.environ:
        context = importlib.import_module("opentelemetry.context").Context
        importlib.import_module("opentelemetry.propagate").set_global_textmap(Deaf(context))
    driver = _driver()
    of_driver = importlib.import_module(f"opentelemetry.instrumentation.{driver}")
    provider = sdk.TracerProvider()
    provider.add_span_processor(export.BatchSpanProcessor(otlp.OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    django.DjangoInstrumentor().instrument(request_hook=_describe)
    # It knows psycopg2 by that name only, and here it is psycopg2-binary.
    getattr(of_driver, DRIVERS[driver])().instrument(skip_dep_check=True)


def _driver() -> str:
    """As Django chooses: psycopg where it is installed, and the settings do not keep it away."""
    importlib.import_module("django.conf").settings.DATABASES  # noqa: B018 - they are read now
    return "psycopg" if importlib.util.find_spec("psycopg") else "psycopg2"


def _describe(span: Any, request: Any) -> None:
    span.set_attribute("stack.request_id", request.META.get(NUMBER, ""))
    span.set_attribute("stack.queue_seconds", queued(request.META))
