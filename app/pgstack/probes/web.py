"""Questions to the daemon processes, through Apache; signed with the project's key, so nobody else can ask."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from typing import Any

from django.core.signing import TimestampSigner

from pgstack.errors import ProbeError
from pgstack.plan import Plan

HEADER = "X-Stack-Probe"
PATH = "stack/probe"
MAX_AGE_SECONDS = 60
SALT = "pgstack.probe"


def probe(plan: Plan) -> dict[str, Any]:
    """What one daemon process says of itself. Raises ProbeError."""
    scheme = "http" if plan.site.tls == "off" else "https"
    address = "127.0.0.1" if plan.site.address == "*" else plan.site.address
    request = urllib.request.Request(
        f"{scheme}://{address}:{plan.site.port}/{PATH}",
        headers={"Host": plan.site.hosts[0].lstrip("."), HEADER: TimestampSigner(salt=SALT).sign("probe")},
    )
    # A self-signed certificate, asked over the loopback address: identity is proved by the signature.
    context = ssl._create_unverified_context() if scheme == "https" else None
    try:
        with urllib.request.urlopen(request, timeout=plan.web.request_timeout, context=context) as answer:
            found: dict[str, Any] = json.load(answer)
    except (OSError, ValueError) as error:
        raise ProbeError(f"{request.full_url}: {error}") from error
    return found
