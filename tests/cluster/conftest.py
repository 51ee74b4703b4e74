"""A cluster for each file of tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from cluster_hosts import Cluster, cluster_hosts


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """All four, set up by one run."""
    with cluster_hosts(tmp_path_factory.mktemp("cluster")) as booted:
        done = booted.web.play("site.yml")
        assert done.returncode == 0, f"{done.stdout[-6000:]}\n{done.stderr[-2000:]}"
        booted.wait()
        yield booted
