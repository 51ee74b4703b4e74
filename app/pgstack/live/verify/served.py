"""The certificate that Apache shows to visitors."""

from __future__ import annotations

import ssl
import time

from pgstack.live.probes import web
from pgstack.live.verify.apart import DAY, LEAST_DAYS
from pgstack.live.verify.finding import Outcome, judge
from pgstack.live.verify.live import Live
from pgstack.rendering import tls

RENEW = {
    "files": "Put a new pair where STACK_TLS_CERTIFICATE and STACK_TLS_KEY lead, and start again.",
    "self-signed": "Start again: that makes a new one.",
    "acme": "The authority has not renewed it; Apache's error log says what it answered.",
}


def valid(live: Live) -> Outcome:
    """It is valid now, and for as long as somebody needs to see this and to renew it."""
    begins, ends = tls.validity(ssl.DER_cert_to_PEM_cert(web.certificate(live.plan)))
    days = int((ends - time.time()) // DAY)
    detail = f"the certificate that Apache shows has {days} days left"
    if begins > time.time():
        detail = "the certificate that Apache shows is not valid yet"
    return judge(
        [detail] if days < LEAST_DAYS or begins > time.time() else [],
        detail,
        RENEW[live.plan.site.tls],
    )
