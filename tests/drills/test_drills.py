"""Every fault of the catalogue under load: nothing acknowledged is lost, and the stack is whole
afterwards."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator

import pytest

from drills import page
from drills.catalogue import Drill
from drills.every import DRILLS
from drills.load import Figures, users
from fixtures.local_stack import LocalStack

pytestmark = pytest.mark.slow
AFTER_SECONDS = 2
"""of load when the stack answers again"""


@pytest.fixture(scope="module")
def measured() -> Iterator[dict[str, Figures]]:
    """What each drill showed; the page is written when all were run."""
    figures: dict[str, Figures] = {}
    yield figures
    if os.environ.get("GOLDEN") == "write" and figures.keys() == {drill.name for drill in DRILLS}:
        page.PAGE.write_text(page.text(DRILLS, figures))


@pytest.mark.parametrize(
    "drill", DRILLS, ids=lambda drill: drill.name.replace(" ", "-").replace(",", "")
)
def test_drill(request: pytest.FixtureRequest, measured: dict[str, Figures], drill: Drill) -> None:
    stack: LocalStack = request.getfixturevalue(drill.stack)
    stack.wait_until(stack.answers)
    with users(stack) as load:
        time.sleep(1)
        began = time.monotonic()
        drill.make(stack)
        stack.wait_until(stack.answers, seconds=60)
        time.sleep(AFTER_SECONDS)
    seen = measured[drill.name] = load.figures(began)
    print(json.dumps({drill.name: vars(seen)}))
    assert seen.lost == 0
    assert seen.silence < drill.silence
    verified = stack.manage("stack_verify")
    assert verified.returncode == 0, verified.stdout
    assert stack.manage("stack_local", "status").returncode == 0
