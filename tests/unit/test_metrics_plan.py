"""The exporter in the plan: what it takes, and where it gets in."""

from __future__ import annotations

from typing import Any

import pytest

from pgstack.errors import InputError
from pgstack.planning import config
from pgstack.planning.config import StackConfig
from pgstack.planning.hardware import Hardware
from pgstack.planning.plan import Plan
from pgstack.planning.sizing import plan
from pgstack.rendering import templates

GB = 1024**3


def planned(debian: int = 13, **inputs: Any) -> Plan:
    here = Hardware(cores=2, memory=4 * GB, debian=debian)
    return plan(StackConfig.model_validate({"target": "compose", **inputs}), here)


def text(stack: Plan, name: str) -> list[str]:
    return next(f.text.splitlines() for f in templates.files(stack) if f.path.name == name)


def identities(stack: Plan) -> set[tuple[str, str]]:
    return {(one.account, one.role) for one in stack.postgres.identities}


def test_it_has_one_connection_and_its_memory() -> None:
    with_it, without = planned(), planned(observability="off")
    assert with_it.metrics
    assert with_it.metrics.socket == "/run/stack/metrics/metrics.sock"
    assert with_it.memory.metrics == 40 * 1024**2
    assert with_it.postgres.max_connections == without.postgres.max_connections + 1
    assert (without.metrics, without.memory.metrics) == (None, 0)


def test_its_account_looks_and_gets_in_nowhere_else() -> None:
    stack = planned()
    assert [pair for pair in identities(stack) if pair[0] == "metrics"] == [
        ("metrics", "app_monitor")
    ]
    assert not [one for one in stack.pooler.identities if one.account == "metrics"]
    assert text(stack, "hba.conf")[1:] == [
        "local app app,app_monitor peer map=stack",
        "local pgbouncer app_monitor peer map=console",
    ]
    maps = [line for line in text(stack, "ident.conf") if "metrics" in line]
    assert maps == ["console metrics app_monitor"]


def test_an_older_pooler_knows_it_by_its_name() -> None:
    stack = planned(debian=12)
    assert "local pgbouncer metrics peer" in text(stack, "hba.conf")
    assert [line for line in text(stack, "hba.conf") if "app,pgbouncer metrics" in line] == []
    assert '"metrics" ""' in text(stack, "userlist.txt")
    assert stack.pooler.settings["stats_users"] == "app,deploy,metrics"


def test_without_it_nobody_gets_in_and_apache_tells_nothing() -> None:
    stack = planned(observability="off")
    assert not {account for account, _ in identities(stack)} & {"metrics"}
    assert "map=console" not in "".join(text(stack, "hba.conf"))
    assert "status_module" not in "".join(text(stack, "apache2.conf"))
    assert "server-status" not in "".join(text(stack, "site.conf"))


def test_a_host_has_none_yet() -> None:
    stack = planned(target="host")
    assert (stack.metrics, "metrics" in stack.services) == (None, False)
    with pytest.raises(InputError, match=r"STACK_OBSERVABILITY=basic: there is no exporter on a"):
        config.load({"STACK_TARGET": "host", "STACK_OBSERVABILITY": "basic"})
    with pytest.raises(InputError, match="STACK_OBSERVABILITY=full: Input should be 'basic' or"):
        config.load({"STACK_OBSERVABILITY": "full"})
