#!/usr/bin/python3
"""Health check of the web container: a request through Apache that reads a row through the pooler.

The exit status is 0 when /readyz says so within the time that the health check allows.
"""

import json
import os
import ssl
import sys
import urllib.error
import urllib.request
from pathlib import Path

PLAN = Path(os.environ.get("STACK_PLAN", "/etc/stack/plan.json"))
SECONDS = 5


def main() -> None:
    """Ask /readyz under the first name that the site answers to."""
    site = json.loads(PLAN.read_text(encoding="utf-8"))["site"]
    scheme = "http" if site["tls"] == "off" else "https"
    request = urllib.request.Request(
        f"{scheme}://127.0.0.1:{site['port']}/readyz", headers={"Host": site["hosts"][0].lstrip(".")}
    )
    # The certificate names the site, not this loopback address.
    context = ssl._create_unverified_context() if scheme == "https" else None
    try:
        urllib.request.urlopen(request, timeout=SECONDS, context=context)
    except (OSError, urllib.error.URLError) as error:
        sys.exit(f"{request.full_url}: {error}")


if __name__ == "__main__":
    main()
