"""The services that stackctl changes, on the hosts that have them."""

from __future__ import annotations

import pytest

from fixtures.host_plan import MACHINE
from pgstack.planning import config, services, sizing
from pgstack.planning.host_services import FIREWALL, HOST
from pgstack.planning.services import SERVICES
from stackctl.registry import SERVERS
from stackctl.stack import Stack

APART = {"STACK_DATABASE_HOST": "db.internal", "STACK_WEB_HOSTS": "2"}


def host(**inputs: str) -> Stack:
    plan = sizing.plan(config.load({"STACK_TARGET": "host", **inputs}), MACHINE)
    return Stack.model_validate(plan.model_dump())


def test_each_service_of_a_plan_can_be_brought_into_force() -> None:
    planned = {service.name for service in SERVICES if service not in (HOST, FIREWALL)}
    # Patroni starts PostgreSQL: both are asked for by that name.
    assert set(SERVERS) == planned - {"patroni"} | {"workers", "schedule"}


def test_what_has_a_program_is_told_of_and_replaced_after_an_upgrade() -> None:
    programs = {service.name for service in SERVICES if service.programs}
    assert {name for name, server in SERVERS.items() if server.line} == programs | {
        *("front", "metrics", "observability", "haproxy", "keepalived")
    }
    # PostgreSQL's package restarts it, and so do Prometheus' packages.
    assert {name for name, server in SERVERS.items() if server.outdated} == (
        programs - {services.POSTGRES.name}
        | {"front", "metrics", "workers", "haproxy", "keepalived"}
    )


@pytest.mark.parametrize(
    ("inputs", "there"),
    [
        (
            {},
            [
                "postgres",
                "pgbouncer",
                "apache",
                "front",
                "workers",
                "schedule",
                "backup",
                "metrics",
            ],
        ),
        (APART, ["pgbouncer", "apache", "front", "workers", "schedule", "backup", "metrics"]),
        ({**APART, "STACK_WEB_ADDRESSES": "192.0.2.7"}, ["postgres", "backup", "metrics"]),
    ],
)
def test_a_host_is_asked_for_what_it_has_and_for_what_it_may_have_had(
    inputs: dict[str, str], there: list[str]
) -> None:
    stack = host(**inputs)
    assert [name for name, server in SERVERS.items() if server.may_be_on(stack, name)] == there


@pytest.mark.parametrize(
    ("inputs", "units"),
    [
        (
            {"STACK_VALKEY": "on", "STACK_OBSERVABILITY": "full"},
            [
                "postgresql@17-main.service",
                "stack-pgbouncer@.service",
                "stack-valkey.service",
                "stack-apache@.service",
                "stack-metrics.service",
                "prometheus.service",
                "prometheus-alertmanager.service",
                "prometheus-node-exporter.service",
            ],
        ),
        (
            {
                "STACK_NAME": "shop",
                "STACK_SITES": "shop,blog",
                "STACK_TLS": "self-signed",
                "STACK_PORT": "443",
            },
            [
                "postgresql@17-shop.service",
                "site-shop-pgbouncer@.service",
                "site-shop-apache@.service",
                "site-shop-metrics.service",
                "sites-front@.service",
            ],
        ),
        (APART, ["stack-pgbouncer@.service", "stack-apache@.service", "stack-metrics.service"]),
    ],
)
def test_what_runs_all_the_time_on_a_host_is_watched(
    inputs: dict[str, str], units: list[str]
) -> None:
    assert services.lasting_units(host(**inputs)) == units
