"""Alertmanager's configuration with the secrets of receivers, which are in no rendered file.

Both releases of Debian read a webhook's address from the configuration alone, so all secrets are
put there, where only Alertmanager reads it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from pgstack.errors import InputError
from pgstack.planning import targets
from pgstack.planning.observability import SecretName
from pgstack.planning.plan import Plan

FILE = "alertmanager.yml"
CHECKS = {
    "prometheus.yml": ("promtool", "check", "config"),
    FILE: ("amtool", "check-config"),
}
"""their own tools, which refuse a bad file"""
MARK = re.compile(r"SECRET\((password|webhook|watchdog)\)")


def input_of(name: SecretName) -> str:
    """The input that names its file."""
    return f"alert_{'smtp_password' if name == 'password' else name}_file"


def completed(plan: Plan, text: str, read: Callable[[Path], bytes] = Path.read_bytes) -> str:
    """The rendered text with the first lines of the files. Raises InputError naming the input, and
    no secret."""
    lines = {name: _line(plan, name, read) for name in _secrets(plan)}
    # As JSON, which YAML reads.
    return MARK.sub(lambda mark: json.dumps(lines[mark[1]]), text)  # type: ignore[index]


def _secrets(plan: Plan) -> dict[SecretName, Path]:
    return plan.observability.receivers.secrets if plan.observability else {}


def _line(plan: Plan, name: SecretName, read: Callable[[Path], bytes]) -> str:
    path = _secrets(plan)[name]
    said = f"{targets.of(plan.target).input(input_of(name))}={path}"
    try:
        line = read(path).decode().partition("\n")[0].strip()
    except OSError as error:
        raise InputError(f"{said}: {error.strerror}. Put the secret there.") from None
    except UnicodeDecodeError:
        raise InputError(f"{said}: it is not text. Put the secret into its first line.") from None
    if not line:
        raise InputError(f"{said}: its first line is empty. Put the secret there.")
    if name != "password" and not _is_url(line):
        raise InputError(
            f"{said}: its first line is not an http or https URL. Write it as https://HOST/PATH."
        )
    return line


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and " " not in text
    except ValueError:
        return False
