"""Installed apps and middleware."""

from __future__ import annotations

from typing import Any

from pgstack.overlay.note import Note
from pgstack.planning.state import current_plan

OPERATIONS = "pgstack.middleware.Operations"
READS = "pgstack.middleware.ReplicaReads"
SECURITY = "django.middleware.security.SecurityMiddleware"
FRAMES = "django.middleware.clickjacking.XFrameOptionsMiddleware"


def overlay(own: dict[str, Any]) -> tuple[dict[str, Any], list[Note]]:
    """INSTALLED_APPS with `pgstack`, MIDDLEWARE with the health pages and what sends security
    headers."""
    apps = list(own.get("INSTALLED_APPS") or [])
    # The first app that has a command wins: `migrate` must be this one.
    apps = apps if "pgstack" in apps else ["pgstack", *apps]
    # collectstatic is its command.
    apps += [] if has(apps, "django.contrib.staticfiles") else ["django.contrib.staticfiles"]
    middleware = list(own.get("MIDDLEWARE") or [])
    middleware = [SECURITY, *middleware] if SECURITY not in middleware else middleware
    middleware += [FRAMES] if FRAMES not in middleware else []
    # The first of all: no login and no redirect stands before the health pages.
    own_middleware = [OPERATIONS, *([READS] if current_plan().replicas else [])]
    middleware = [
        *own_middleware,
        *(name for name in middleware if name not in own_middleware),
    ]
    return {"INSTALLED_APPS": apps, "MIDDLEWARE": middleware}, _asgi(own)


def has(apps: list[str], name: str) -> bool:
    """Whether an app is there, by its name or by its configuration's."""
    return any(app == name or app.startswith(f"{name}.") for app in apps)


def _asgi(own: dict[str, Any]) -> list[Note]:
    if not own.get("ASGI_APPLICATION"):
        return []
    reason = "mod_wsgi serves WSGI only: no websocket and no ASGI route is answered."
    return [Note("ASGI_APPLICATION", reason, "Serve those with an ASGI server beside the stack.")]
