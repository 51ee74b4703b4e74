"""Keys, names, the scheme, and the headers and cookies that depend on it."""

from __future__ import annotations

from typing import Any

from pgstack import settings as stack
from pgstack.overlay.note import Note

PLACEHOLDER = "django-insecure-"
"""how `startproject` begins a key that is not for production (security.W009)"""
PROXY_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
PROMISES = ("__Secure-", "__Host-")
"""beginnings of a cookie's name that browsers take over TLS only"""
OVER_TLS = ("SECURE_SSL_REDIRECT", "SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE")
COOKIE_NAMES = {"SESSION_COOKIE_NAME": "sessionid", "CSRF_COOKIE_NAME": "csrftoken"}


def overlay(own: dict[str, Any]) -> tuple[dict[str, Any], list[Note]]:
    """What the project says of headers and cookies stays, as far as the scheme of the plan allows
    it."""
    settings: dict[str, Any] = {"DEBUG": False, "ALLOWED_HOSTS": stack.allowed_hosts()}
    notes = (
        [Note("DEBUG", "off: strangers would see the settings.", "")] if own.get("DEBUG") else []
    )
    for part in (_key, _proxy, _secure if stack.secure() else _plain):
        more, told = part(own)
        settings |= more
        notes += told
    origins = [*(own.get("CSRF_TRUSTED_ORIGINS") or []), *stack.origins()]
    return {**settings, "CSRF_TRUSTED_ORIGINS": list(dict.fromkeys(origins))}, notes


def _key(own: dict[str, Any]) -> tuple[dict[str, Any], list[Note]]:
    """The stack's key, and those before it, where the project has none, or has it from the
    environment."""
    key, current = str(own.get("SECRET_KEY") or ""), stack.secret_key()
    placeholder = key.startswith(PLACEHOLDER)
    if key not in ("", current) and not placeholder:
        return {}, []
    fallbacks = dict.fromkeys(
        [*(own.get("SECRET_KEY_FALLBACKS") or []), *stack.secret_key_fallbacks()]
    )
    reason = f"it begins with {PLACEHOLDER}, so the stack's own takes its place."
    notes = [Note("SECRET_KEY", reason, "")] if placeholder else []
    return {"SECRET_KEY": current, "SECRET_KEY_FALLBACKS": list(fallbacks)}, notes


def _proxy(own: dict[str, Any]) -> tuple[dict[str, Any], list[Note]]:
    if stack.proxy():
        return {"SECURE_PROXY_SSL_HEADER": PROXY_HEADER}, []
    believed = [
        name
        for name in ("SECURE_PROXY_SSL_HEADER", "USE_X_FORWARDED_HOST", "USE_X_FORWARDED_PORT")
        if own.get(name)
    ]
    settings = {
        "SECURE_PROXY_SSL_HEADER": None,
        "USE_X_FORWARDED_HOST": False,
        "USE_X_FORWARDED_PORT": False,
    }
    reason, remedy = (
        "off: any client may send such a header.",
        "STACK_PROXY=on says that a proxy sets it.",
    )
    return settings, [Note(name, reason, remedy) for name in believed]


def _secure(own: dict[str, Any]) -> tuple[dict[str, Any], list[Note]]:
    defaults: dict[str, Any] = dict.fromkeys(OVER_TLS, True)
    defaults["SECURE_HSTS_SECONDS"] = stack.hsts_seconds()
    return {name: value for name, value in defaults.items() if name not in own}, []


def _plain(own: dict[str, Any]) -> tuple[dict[str, Any], list[Note]]:
    """Over plain HTTP a redirect to TLS leads nowhere, and a Secure cookie never comes back."""
    settings: dict[str, Any] = {**dict.fromkeys(OVER_TLS, False), "SECURE_HSTS_SECONDS": 0}
    remedy = "STACK_TLS or STACK_PROXY=on brings TLS."
    wanted = [name for name in settings if own.get(name)]
    notes = [Note(name, "off, for the site speaks plain HTTP.", remedy) for name in wanted]
    for name, default in COOKIE_NAMES.items():
        cookie = str(own.get(name) or default)
        for promise in PROMISES:
            if cookie.startswith(promise):
                settings[name] = cookie.removeprefix(promise)
                notes.append(
                    Note(name, f"without {promise}, for the site speaks plain HTTP.", remedy)
                )
    return settings, notes
