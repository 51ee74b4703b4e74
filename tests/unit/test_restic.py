"""restic: what it says of a server ends it, where waiting would not help."""

from __future__ import annotations

import sys
import time

import pytest

from pgstack.errors import TargetError
from pgstack.ops.restic import Repository

AGAIN = (
    "Stat(<config/>) returned error, retrying after 604.512292ms: Stat: Head "
    '"https://store.example/shop/x/config": tls: failed to verify certificate: '
    "x509: certificate signed by unknown authority"
)
TRIES_AGAIN = f"import sys, time; print({AGAIN!r}, file=sys.stderr, flush=True); time.sleep(60)"


def test_it_does_not_wait_for_a_certificate_that_nobody_trusts() -> None:
    kept = Repository(
        "s3:https://store.example/shop/x", {}, (), (sys.executable, "-c", TRIES_AGAIN)
    )
    began = time.monotonic()
    with pytest.raises(TargetError) as refused:
        kept.make()
    assert time.monotonic() - began < 10
    assert str(refused.value).startswith(
        "restic: s3:https://store.example/shop/x: x509: certificate signed by unknown authority. "
        "Have a certificate there"
    )


def test_what_it_prints_and_what_it_complains_of_are_apart() -> None:
    told = "import sys; print('[]'); print('a warning', file=sys.stderr)"
    kept = Repository("/backups", {}, (), (sys.executable, "-c", told))
    assert kept.run("snapshots") == "[]\n"
