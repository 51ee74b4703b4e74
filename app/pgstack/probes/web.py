"""Questions to the site through Apache, and to its daemon processes: those are signed, so nobody else can ask."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException
from types import MappingProxyType
from typing import Any

from django.core.signing import TimestampSigner

from pgstack.errors import ProbeError
from pgstack.plan import Plan

HEADER = "X-Stack-Probe"
PATH = "stack/probe"
MAX_AGE_SECONDS = 60
SALT = "pgstack.probe"

# No proxy stands between this host and itself. The certificate may be self-signed, and names the site, not the
# address that is asked: who must know who answers signs the question.
_OPENER = urllib.request.build_opener(
    urllib.request.ProxyHandler({}),
    urllib.request.HTTPSHandler(context=ssl._create_unverified_context()),  # noqa: S323, SLF001
)


def fetch(url: str, seconds: float, headers: Mapping[str, str] = MappingProxyType({})) -> bytes:
    """Body that this host answers at `url` within `seconds`, redirects followed.

    Raises ProbeError naming the address and the status or the reason.
    """
    try:
        request = urllib.request.Request(url, headers=dict(headers))  # noqa: S310 - ours, from the plan
        with _OPENER.open(request, timeout=seconds) as answer:
            body: bytes = answer.read()
    except urllib.error.HTTPError as error:
        raise ProbeError(f"{url}: status {error.code}") from None
    except (OSError, HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise ProbeError(f"{url}: {getattr(reason, 'strerror', None) or reason}") from error
    return body


def ask(plan: Plan, path: str, seconds: float, headers: Mapping[str, str] = MappingProxyType({})) -> bytes:
    """As `fetch`, where Apache listens, under the site's first name: that name may lead elsewhere, or nowhere yet."""
    scheme = "http" if plan.site.tls == "off" else "https"
    address = "127.0.0.1" if plan.site.address == "*" else plan.site.address
    host = plan.site.hosts[0].lstrip(".")
    return fetch(f"{scheme}://{address}:{plan.site.port}/{path}", seconds, {"Host": host, **headers})


def probe(plan: Plan) -> dict[str, Any]:
    """What one daemon process says of itself. Raises ProbeError."""
    signed = {HEADER: TimestampSigner(salt=SALT).sign("probe")}
    body = ask(plan, PATH, plan.web.request_timeout, signed)
    try:
        found: dict[str, Any] = json.loads(body)
    except ValueError as error:
        raise ProbeError(f"/{PATH}: {error}") from error
    return found
