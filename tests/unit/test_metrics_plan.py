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
    return {(identity.account, identity.role) for identity in stack.postgres.identities}


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
    assert not [identity for identity in stack.pooler.identities if identity.account == "metrics"]
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


def on_host(debian: int = 13, **inputs: Any) -> Plan:
    return planned(debian, target="host", **inputs)


def port(stack: Plan) -> int:
    assert stack.metrics
    return stack.metrics.port


def test_on_a_host_a_port_of_the_loopback_address_answers_too() -> None:
    assert port(planned()) == 0
    assert port(on_host()) == 8400
    assert port(on_host(metrics_port=9187)) == 9187
    assert port(on_host(metrics_port=0)) == 0
    several = {"sites": "shop, blog", "tls": "self-signed", "port": 443}
    assert [port(on_host(name=name, **several)) for name in ("shop", "blog")] == [0, 0]


def test_on_a_host_its_unit_may_do_as_much_as_was_planned() -> None:
    unit = text(on_host(metrics_port=9187), "stack-metrics.service")
    assert "MemoryMax=41943040" in unit
    assert "SocketBindAllow=ipv4:tcp:9187" in unit
    assert "IPAddressAllow=localhost 127.0.0.1" in unit
    assert "ExecStart=/usr/local/lib/stack/exporter" in unit
    closed = text(on_host(metrics_port=0), "stack-metrics.service")
    assert not [line for line in closed if line.startswith("SocketBindAllow")]


def test_where_postgresql_is_of_others_it_holds_no_connection_there() -> None:
    given = {
        "database_url": "postgres://app@db.example/app",
        "database_password_file": "/root/word",
    }
    assert on_host(**given).metrics.connections == 0  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("inputs", "reason"),
    [
        ({"OBSERVABILITY": "some"}, "STACK_OBSERVABILITY=some: Input should be 'basic', 'full' or"),
        ({"METRICS_PORT": "9187", "OBSERVABILITY": "off"}, "STACK_METRICS_PORT needs STACK_OBS"),
        ({"METRICS_PORT": "8000"}, "STACK_METRICS_PORT=8000 is STACK_PORT; choose another"),
        ({"METRICS_PORT": "70000"}, "STACK_METRICS_PORT=70000: Input should be less"),
    ],
)
def test_inputs_that_cannot_be_are_refused(inputs: dict[str, str], reason: str) -> None:
    named = {f"STACK_{name}": value for name, value in inputs.items()}
    with pytest.raises(InputError, match=reason):
        config.load({"STACK_TARGET": "host", **named})
