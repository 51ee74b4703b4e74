"""Other settings under a steady load: they are in force, and no request and no acknowledged write
is lost."""

from __future__ import annotations

import pytest
from systemd_host import INPUTS, SystemdHost

pytestmark = [pytest.mark.host, pytest.mark.timeout(900), pytest.mark.slow]


def test_new_settings_of_apache_and_pgbouncer_lose_no_request(site: SystemdHost) -> None:
    inputs = {**INPUTS, "threads": 6, "pool_size": 3}
    site.under_load(lambda: site.played("site.yml", stack_inputs=inputs))
    verified = site.run("stack-manage", "stack_verify", check=False)
    assert verified.returncode == 0, verified.stdout
    assert "2 x 6 = 12 threads answered" in verified.stdout
    live = site.run("sh", "-c", "cat /etc/stack/live/pgbouncer-*/pgbouncer.ini").stdout
    assert "default_pool_size = 3\n" in live
