"""The certificate that PostgreSQL shows to web hosts."""

from __future__ import annotations

import re
import ssl
import subprocess
import time

from pgstack.errors import ProbeError
from pgstack.planning.databases import Postgres
from pgstack.planning.plan import Plan

ANSWER_SECONDS = 5


def seconds_left(plan: Plan) -> float:
    """How long the certificate is valid yet, once the authority and the name in it were checked; of
    a cluster the one that ends first.

    Raises ProbeError when they are not what the plan says, or nobody answers.
    """
    postgres = plan.postgres
    if plan.cluster is None:
        return _left(postgres, postgres.host, postgres.server_name)
    return min(_left(postgres, place, place) for place in plan.cluster.databases.values())


def _left(postgres: Postgres, place: str, name: str) -> float:
    host = f"[{place}]" if ":" in place else place
    ask = [
        "openssl",
        "s_client",
        "-starttls",
        "postgres",
        "-connect",
        f"{host}:{postgres.port}",
        "-verify_return_error",
        "-CAfile",
        postgres.connection["sslrootcert"],
        _option(name),
        name,
    ]
    shown = _run(ask)
    if shown.returncode:
        lines = (shown.stderr.strip() or shown.stdout.strip()).splitlines()
        reason = next(
            (line for line in lines if "error" in line),
            lines[0] if lines else f"status {shown.returncode}",
        )
        raise ProbeError(f"the certificate of {place}: {reason}")
    end = re.search(
        r"notAfter=(.+)", _run(["openssl", "x509", "-noout", "-enddate"], shown.stdout).stdout
    )
    if end is None:
        raise ProbeError(f"the certificate of {place}: openssl shows none")
    return ssl.cert_time_to_seconds(end[1]) - time.time()


def _option(name: str) -> str:
    return "-verify_ip" if re.fullmatch(r"[0-9.]+|.*:.*", name) else "-verify_hostname"


def _run(command: list[str], text: str = "") -> subprocess.CompletedProcess[str]:
    """A program's end. Raises ProbeError when there is none."""
    try:
        return subprocess.run(
            command, input=text, capture_output=True, text=True, check=False, timeout=ANSWER_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ProbeError(f"openssl: {error}") from None
