"""A GeoDjango site on the local target: PostGIS, hstore and pg_trgm by STACK_EXTENSIONS."""

from __future__ import annotations

import json
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from fixtures.local_stack import CHECKOUT, LocalStack, started

pytestmark = [pytest.mark.integration, pytest.mark.slow]

EXTENSIONS = "postgis,hstore,pg_trgm"
NEAR_DRESDEN = {"lon": "13.74", "lat": "51.05"}
NEAREST = {"Leipzig": 101, "Praha": 117, "Berlin": 165}
BOX = "12.9,52,13.5,53"
"""Berlin alone is in it"""
ROUNDS = 20


@pytest.fixture(scope="module")
def atlas() -> Iterator[LocalStack]:
    with tempfile.TemporaryDirectory(prefix="atlas-", dir="/tmp") as name:
        project = Path(shutil.copytree(CHECKOUT / "tests/sites/atlas", Path(name, "atlas")))
        for path in [Path(name), project, *project.rglob("*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)
        with started(STACK_PROJECT=str(project), STACK_EXTENSIONS=EXTENSIONS) as running:
            yield running


def get(stack: LocalStack, path: str, **query: str) -> Any:
    answer = requests.get(f"{stack.url}/{path}", params=query, timeout=20)
    assert answer.status_code == 200, f"{answer.text[:500]}\n{stack.logs()}"
    return answer.json()


def findings(stack: LocalStack) -> dict[str, Any]:
    done = stack.manage("stack_verify", "--json")
    return {finding["check"]: finding for finding in json.loads(done.stdout)}


def test_a_map_query_goes_through_the_pooler(atlas: LocalStack) -> None:
    assert get(atlas, "backend")["engine"] == "pgstack.db.postgis"
    assert get(atlas, "near", **NEAR_DRESDEN) == NEAREST
    (berlin,) = get(atlas, "map.geojson", bbox=BOX)["features"]
    assert berlin["geometry"] == {"type": "Point", "coordinates": [13.405, 52.52]}
    assert json.loads(berlin["properties"]["tags"]) == {"kind": "city"}
    assert get(atlas, "search", q="Munchen") == {"name": "München", "tags": {"kind": "city"}}


def test_map_queries_of_many_threads_survive_a_killed_pooler(atlas: LocalStack) -> None:
    def nearest(number: int) -> Any:
        if number == ROUNDS // 2:
            os.kill(int(atlas.pid("pgbouncer")), signal.SIGKILL)
        return get(atlas, "near", **NEAR_DRESDEN)

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(nearest, range(ROUNDS))) == [NEAREST] * ROUNDS


def test_an_extension_that_was_dropped_is_missed_and_made_again(atlas: LocalStack) -> None:
    checks = findings(atlas)
    assert [name for name, finding in checks.items() if finding["holds"] is False] == []
    assert checks["extensions are there"]["detail"].startswith("postgis 3.")
    atlas.sql("DROP EXTENSION pg_trgm")
    missed = findings(atlas)["extensions are there"]
    assert (missed["holds"], missed["detail"]) == (False, "pg_trgm is missing")
    for words in (("down",), ("up",)):
        done = atlas.manage("stack_local", *words)
        assert done.returncode == 0, done.stderr
    assert findings(atlas)["extensions are there"]["holds"] is True


def test_what_is_not_named_any_more_stays(atlas: LocalStack) -> None:
    done = atlas.manage("stack_local", "reload", STACK_EXTENSIONS="postgis,hstore")
    assert done.returncode == 0, done.stderr
    assert atlas.sql("SELECT count(*) FROM pg_extension WHERE extname = 'pg_trgm'") == "1"
    assert get(atlas, "search", q="Parris")["name"] == "Paris"
