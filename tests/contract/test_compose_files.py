"""compose.yaml and the Dockerfiles, read as text: what can be said without an engine."""

from __future__ import annotations

import importlib
import os
import re
from pathlib import Path, PurePosixPath
from typing import Any, cast

import pytest
import yaml
from pydantic.fields import FieldInfo

from fixtures.releases import DEBIANS, NEWEST_IMAGE
from pgstack.planning import sizing
from pgstack.planning.config import StackConfig
from pgstack.planning.hardware import Hardware
from pgstack.planning.input_names import environment_name
from pgstack.planning.sizing.observability import STATE
from pgstack.planning.targets import compose as containers

CHECKOUT = Path(__file__).resolve().parents[2]
COMPOSE = "compose"
BASE = re.compile(r"\bDEBIAN: debian:\w+-slim")
OF_ALERTS = {
    "STACK_ALERT_SMTP_PASSWORD_FILE": "alert_password",
    "STACK_ALERT_WEBHOOK_FILE": "alert_webhook",
    "STACK_ALERT_WATCHDOG_FILE": "alert_watchdog",
}
"""inputs that name files, and what these are in the container"""
DOCKERFILES = (
    "apache/Dockerfile",
    "backup/Dockerfile",
    "egress/Dockerfile",
    "pgbouncer/Dockerfile",
    "postgres/Dockerfile",
)


def targets(field: FieldInfo) -> list[str]:
    """Those that an input is for."""
    return list(cast("dict[str, list[str]]", field.json_schema_extra)["on"])


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return read("compose.yaml")


def read(path: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((CHECKOUT / path).read_text())
    return loaded


def test_make_up_waits_as_long_as_the_engine_does(
    compose: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A minute to start, then five checks, each after 5 s and of 6 s at most."""
    monkeypatch.syspath_prepend(CHECKOUT / "tools")
    assert importlib.import_module("compose_status").patience(compose) == 115


def test_configure_is_given_every_input_that_means_something_there(compose: dict[str, Any]) -> None:
    passed = set(compose["services"]["configure"]["environment"])
    inputs = {
        environment_name(name)
        for name, field in StackConfig.model_fields.items()
        if COMPOSE in targets(field)
    }
    assert passed == inputs | {"STACK_ADDRESS"}


def test_configure_decides_nothing_but_the_target_and_the_listener(compose: dict[str, Any]) -> None:
    environment = compose["services"]["configure"]["environment"]
    fixed = {name: value for name, value in environment.items() if value is not None}
    assert fixed == {
        "STACK_TARGET": "compose",
        "STACK_ADDRESS": "*",
        # Where the two files appear in its container, when they are named.
        "STACK_TLS_CERTIFICATE": "${STACK_TLS_CERTIFICATE:+/run/given/certificate.pem}",
        "STACK_TLS_KEY": "${STACK_TLS_KEY:+/run/given/key.pem}",
        "STACK_PROJECT": "${STACK_PROJECT:+/srv/stack/project}",
        "STACK_ENVIRONMENT": "${STACK_ENVIRONMENT:+/run/secrets/environment}",
        "STACK_DATABASE_AUTHORITY": "${STACK_DATABASE_AUTHORITY:+/run/given/authority.pem}",
        "STACK_DATABASE_PASSWORD_FILE": (
            "${STACK_DATABASE_PASSWORD_FILE:+/run/secrets/database_password}"
        ),
        **{name: f"${{{name}:+/run/secrets/{secret}}}" for name, secret in OF_ALERTS.items()},
    }


def test_only_what_tells_of_alerts_is_given_its_secrets(compose: dict[str, Any]) -> None:
    for name, secret in OF_ALERTS.items():
        given = [
            service
            for service, described in compose["services"].items()
            if secret in described.get("secrets", [])
        ]
        assert given == ["observability"]
        assert compose["secrets"][secret]["file"] == f"${{{name}:-/dev/null}}"


def test_only_configure_is_given_the_users_certificate_and_key(compose: dict[str, Any]) -> None:
    binds, volumes = {}, {}
    for name, service in compose["services"].items():
        mounts = service.get("volumes", [])
        binds[name] = [mount["source"] for mount in mounts if isinstance(mount, dict)]
        volumes[name] = [mount for mount in mounts if str(mount).startswith("tls:")]
    assert binds.pop("configure") == [
        "${STACK_PROJECT:-./apache/no-project}",
        "${STACK_TLS_CERTIFICATE:-/dev/null}",
        "${STACK_TLS_KEY:-/dev/null}",
    ]
    assert [bind for bind in binds.values() if bind] == []
    assert volumes.pop("configure") == ["tls:/etc/stack-tls"]
    assert volumes.pop("web") == ["tls:/etc/stack-tls:ro"]
    assert [volume for volume in volumes.values() if volume] == []


@pytest.mark.parametrize("kind", ["service", "service-external"])
def test_only_configure_may_read_the_password_of_the_login(
    compose: dict[str, Any], kind: str
) -> None:
    services = {**compose["services"], **read(f"postgres/{kind}.yaml")["services"]}
    given = [
        name
        for name, described in services.items()
        if "database_password" in described.get("secrets", [])
    ]
    assert given == (["configure"] if kind == "service-external" else [])


def test_manage_sees_the_inputs_that_configure_sees(compose: dict[str, Any]) -> None:
    configure, manage = compose["services"]["configure"], compose["services"]["manage"]
    assert manage["environment"] == configure["environment"]
    assert manage["env_file"] == configure["env_file"] == [{"path": ".env", "required": False}]


@pytest.mark.parametrize(
    ("path", "service"),
    [("egress/networks.yaml", "port"), ("egress/networks-closed.yaml", "forward")],
)
def test_default_port_is_the_planners(path: str, service: str) -> None:
    assert StackConfig().port == 8000
    assert read(path)["services"][service]["ports"] == [
        "127.0.0.1:${STACK_PORT:-8000}:${STACK_PORT:-8000}"
    ]


def test_every_service_shares_one_set_of_limits_and_timings(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        for key in (
            "mem_limit",
            "cpus",
            "pids_limit",
            "ulimits",
            "logging",
            "read_only",
            "cap_drop",
        ):
            assert service[key] == compose["x-service"][key], f"{name}: {key}"
        timings = {
            key: value for key, value in service.get("healthcheck", {}).items() if key != "test"
        }
        # Workers come after requests, and so does looking at them.
        rarer = {"interval": "30s"} if name in ("background", "metrics", "observability") else {}
        assert timings in ({}, {**compose["x-health"], **rarer}), name


def test_what_gives_files_back_has_more_rights_and_is_reached_by_nobody(
    compose: dict[str, Any],
) -> None:
    services = compose["services"]
    rights = {
        name: service["cap_add"] for name, service in services.items() if "cap_add" in service
    }
    assert rights == {
        "backup": ["DAC_OVERRIDE"],
        "restore": ["CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID"],
    }
    for name in rights:
        assert services[name]["profiles"] == ["backup"]
        assert services[name]["network_mode"] == "${BACKUP_NETWORK:-none}"
        assert not {"ports", "environment", "env_file", "secrets"} & services[name].keys()
    assert services["backup"]["volumes"] == ["media:/var/lib/stack-media:ro"]


@pytest.mark.parametrize("debian", DEBIANS)
def test_health_checks_and_mounts_name_what_the_planner_names(
    compose: dict[str, Any], debian: int
) -> None:
    config = StackConfig(target="compose", address="*")
    plan = sizing.plan(
        config, Hardware(cores=2, memory=4 * 1024**3, debian=debian, open_files=16384)
    )
    services, paths = compose["services"], plan.paths
    assert f"--host={paths.run_postgres}" in services["postgres"]["healthcheck"]["test"]
    assert f"--dbname={plan.postgres.database}" in services["postgres"]["healthcheck"]["test"]
    asked = {
        f"--host={paths.run_pooler_own}",
        f"--port={plan.pooler.port}",
        f"--dbname={plan.postgres.database}",
    }
    own_postgres = read("postgres/service.yaml")["services"]
    assert asked <= set(own_postgres["pgbouncer"]["healthcheck"]["test"])
    volumes = [
        entry
        for service in services.values()
        for entry in service.get("volumes", [])
        if isinstance(entry, str)
    ]
    mounts = {entry.split(":")[1] for entry in volumes}
    cluster = str(PurePosixPath(paths.data).parents[1])
    own = PurePosixPath(paths.run_pooler_own).parent
    assert mounts == {
        paths.conf,
        paths.secrets,
        paths.tls,
        paths.database,
        paths.run_postgres,
        str(PurePosixPath(paths.run_pooler).parent),
        paths.run_workers,
        paths.schedule,
        paths.run_valkey,
        paths.run_metrics,
        STATE,
        str(PurePosixPath(containers.Compose.observability_socket).parent),
        paths.measures,
        paths.valkey,
        paths.media,
        paths.cache,
        cluster,
    }
    for service, place in (("web", paths.run_apache), ("pgbouncer", own)):
        assert any(entry.startswith(f"{place}:") for entry in services[service]["tmpfs"])


@pytest.mark.parametrize("path", DOCKERFILES)
def test_image_builds_from_the_one_base(path: str) -> None:
    text = (CHECKOUT / path).read_text()
    stages = set(re.findall(r"^FROM \S+ AS (\S+)", text, re.MULTILINE))
    assert set(re.findall(r"^FROM (\S+)", text, re.MULTILINE)) - stages == {"${DEBIAN}"}


def services_files() -> list[str]:
    """compose.yaml and what it extends."""
    files = [CHECKOUT / "compose.yaml", *CHECKOUT.glob("*/*.yaml")]
    return sorted(
        str(file.relative_to(CHECKOUT)) for file in files if BASE.search(file.read_text())
    )


@pytest.mark.parametrize("path", services_files())
def test_images_are_made_from_the_newest_release(path: str) -> None:
    """`GOLDEN=write` writes its name there."""
    text = (CHECKOUT / path).read_text()
    expected = BASE.sub(f"DEBIAN: {NEWEST_IMAGE}", text)
    if os.environ.get("GOLDEN") == "write":
        (CHECKOUT / path).write_text(expected)
    assert (CHECKOUT / path).read_text() == expected


def test_every_image_is_given_its_base_or_that_of_configure() -> None:
    files = [read(path) for path in services_files()]
    bases = {
        service["build"]["args"].get("DEBIAN")
        for file in files
        for service in file["services"].values()
        if "build" in service
    }
    assert (len(files), bases) == (4, {NEWEST_IMAGE, None})


@pytest.mark.parametrize("path", DOCKERFILES)
def test_image_ends_as_an_account_without_privileges(path: str) -> None:
    users = re.findall(r"^USER (\d+)(?::\d+)?$", (CHECKOUT / path).read_text(), re.MULTILINE)
    assert len(users) == 1
    assert 5001 <= int(users[0]) <= 5010
