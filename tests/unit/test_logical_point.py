"""An upgrade by logical replication: where a copy's recovery ends, what follows from there, and who
may have it."""

from __future__ import annotations

import argparse

import pytest
from test_cluster_plan import planned as member

from fixtures.host_plan import planned
from pgstack.ops import logical
from stackctl import major, major_logical
from stackctl.safe import StackctlError


def test_a_copy_has_nothing_that_the_slot_sends_too() -> None:
    """A transaction that ends at the very point is sent, so the recovery ends before it."""
    assert logical.recovery("0/1A2B3C") == (
        "-c recovery_target_lsn=0/1A2B3C -c recovery_target_inclusive=off "
        "-c recovery_target_action=promote"
    )


def test_the_new_version_begins_at_that_point_and_copies_no_rows() -> None:
    create, begin, enable = logical.subscribe("host=/run port=5432", "0/1A2B3C")
    assert "copy_data = false, enabled = false" in create
    assert "create_slot = false, slot_name = 'stack_upgrade_rows'" in create
    assert "pg_replication_origin_advance('pg_' || oid, '0/1A2B3C')" in begin
    assert enable == "ALTER SUBSCRIPTION stack_upgrade ENABLE"


def test_an_input_has_the_old_server_write_what_it_takes() -> None:
    assert "wal_level" not in planned().postgres.settings
    assert planned(wal_level="logical").postgres.settings["wal_level"] == "logical"


def test_a_cluster_is_refused() -> None:
    assert "a cluster is upgraded without --logical" in [*major_logical.against(member("db1"))]
    assert [*major_logical.against(planned())] == []


@pytest.mark.parametrize("step", ["back", "finish"])
def test_it_is_no_way_back(step: str) -> None:
    words = {"logical": True, "settle": False, "back": False, "finish": False, step: True}
    with pytest.raises(StackctlError, match="not for --back and --finish"):
        major.answer(planned(), argparse.Namespace(**words))
