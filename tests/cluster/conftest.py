"""A cluster of three database hosts and a web host with two PgBouncers, set up by one run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from cluster_hosts import Cluster, cluster_hosts


@pytest.fixture(scope="package")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """All four."""
    with cluster_hosts(tmp_path_factory.mktemp("cluster"), poolers=2) as booted:
        booted.web.played("site.yml")
        booted.wait()
        yield booted
