"""STACK_LANES: what it becomes, and one message for each kind of mistake."""

from __future__ import annotations

import pytest

from pgstack.errors import InputError
from pgstack.planning import config
from pgstack.planning.lane_input import LaneInput


def refusal(text: str) -> str:
    with pytest.raises(InputError) as error:
        config.load({"STACK_LANES": text})
    assert len(str(error.value).splitlines()) == 1
    return str(error.value)


def test_a_name_and_a_prefix_are_enough() -> None:
    lanes = config.load({"STACK_LANES": "reports=/reports/"}).lanes
    assert lanes == (LaneInput("reports", ("/reports/",), processes=1, threads=4, pool=None),)


def test_what_stands_behind_the_prefixes_is_told_by_its_shape() -> None:
    text = "reports = /reports/, /export/v1.2 : 1x4 : pool 2; slow=/slow:pool 1 ;"
    reports, slow = config.load({"STACK_LANES": text}).lanes
    assert reports == LaneInput("reports", ("/reports/", "/export/v1.2"), 1, 4, 2)
    assert slow == LaneInput("slow", ("/slow",), 1, 4, 1)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("reports", "'reports' has no =; expected NAME=PREFIXES, such as reports=/reports/"),
        ("Reports=/a", "'Reports' is not the name of a lane"),
        ("=/a", "'' is not the name of a lane"),
        ("a=", "a has the prefix ''; it begins with /"),
        ("a=reports/", "a has the prefix 'reports/'; it begins with /"),
        ("a=/", "a has the prefix /, which is every page"),
        ("a=/b/../c", "neither . nor .. alone"),
        ("a=/b//c", "between single slashes"),
        ("a=/b%2F", "between single slashes"),
        ("a=/b(c|d)", "between single slashes"),
        ("a=/static/big/", "but of /static/: Apache answers it from files"),
        ("a=/readyz", "but of /readyz: it is the stack's own"),
        ("a=/stack", "but of /stack/: it is the stack's own"),
        ("a=/b,/b", "the prefix /b is that of a twice; name it once"),
        ("a=/b;c=/b", "the prefix /b is that of a and c; name it once"),
        ("a=/b/;c=/b/d/", "the prefix /b/d/ lies below /b/, so its pages would belong to both"),
        ("a=/b;c=/b/", "the prefix /b/ lies below /b"),
        ("a=/b;a=/c", "two lanes are named a; name each once"),
        ("a=/b:0x4", "a has 0 processes; expected 1 to 64"),
        ("a=/b:1x65", "a has 65 threads; expected 1 to 64"),
        ("a=/b:pool 0", "a has a pool of 0 backends"),
        ("a=/b:2x2:pool 5", "a pool of 5 backends, but 2 x 2 = 4 threads, which never use more"),
        ("a=/b:1x2:1x3", "a has two of processes: the second is 1x3"),
        ("a=/b:4", "a:4 is not known; behind the prefixes there may be 1x4"),
        (";".join(f"a{n}=/{n}" for n in range(17)), "17 lanes; expected up to 16"),
    ],
)
def test_a_mistake_is_named(text: str, reason: str) -> None:
    assert reason in refusal(text)


def test_prefixes_that_only_begin_alike_are_apart() -> None:
    text = "a=/report,/reports/;b=/reportage"
    assert [lane.name for lane in config.load({"STACK_LANES": text}).lanes] == ["a", "b"]
