"""Prometheus and Alertmanager: their own tools read what is rendered, and the secrets of receivers
are in no rendered file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from fixtures.prometheus import amtool, promtool
from fixtures.releases import DEBIANS
from pgstack.errors import InputError
from pgstack.planning import config, sizing
from pgstack.planning.config import StackConfig
from pgstack.planning.hardware import Hardware
from pgstack.planning.plan import Plan
from pgstack.rendering import receivers, templates

MB = 1024**2
HERE = {"target": "host", "hosts": "shop.example", "observability": "full"}
MAIL = {"alert_mail": "ops@shop.example, night@shop.example", "alert_smtp": "mail.example:587"}


def planned(debian: int = 13, **inputs: Any) -> Plan:
    given = StackConfig.model_validate({**HERE, **inputs})
    return sizing.plan(given, Hardware(2, 4096 * MB, debian, 65536))


def secrets(place: Path, **lines: str) -> dict[str, str]:
    """Inputs that name files with these lines."""
    for name, line in lines.items():
        (place / name).write_text(f"{line}\nwhat follows is no part of it\n")
    return {receivers.input_of(name): str(place / name) for name in lines}  # type: ignore[arg-type]


def written(plan: Plan, place: Path) -> dict[str, Any]:
    """The files of a plan, as their programs read them."""
    texts = {}
    for file in templates.files(plan):
        if file.path.parent.name == "observability":
            text = file.text
            if file.path.name == receivers.FILE:
                text = receivers.completed(plan, text)
            (place / file.path.name).write_text(text)
            texts[file.path.name] = yaml.safe_load(text)
    return texts


def everybody(place: Path) -> dict[str, str]:
    own = secrets(
        place,
        password='it\'s "quoted" \\ and: #odd',
        webhook="https://hooks.example/T1/secret?a=b&c=d",
        watchdog="https://ping.example/9f1c",
    )
    return {**MAIL, "alert_smtp_user": "shop", **own}


@pytest.mark.parametrize("debian", DEBIANS)
@pytest.mark.parametrize("target", ["host", "compose"])
@pytest.mark.parametrize("told", ["everybody", "nobody"])
def test_their_own_tools_read_what_is_rendered(
    tmp_path: Path, target: str, debian: int, told: str
) -> None:
    inputs = everybody(tmp_path) if told == "everybody" else {}
    texts = written(planned(debian, target=target, **inputs), tmp_path)
    assert set(texts) == {"prometheus.yml", "alerts.yml", "alertmanager.yml"}
    said = promtool("check", "config", str(tmp_path / "prometheus.yml"))
    assert "SUCCESS: 1 rule files found" in said, said
    assert "SUCCESS" in amtool("check-config", str(tmp_path / "alertmanager.yml"))


def test_receivers_get_what_their_files_say(tmp_path: Path) -> None:
    plan = planned(**everybody(tmp_path))
    alertmanager = written(plan, tmp_path)["alertmanager.yml"]
    assert alertmanager["global"] == {
        "smtp_smarthost": "mail.example:587",
        "smtp_from": "stack@shop.example",
        "smtp_require_tls": True,
        "smtp_auth_username": "shop",
        "smtp_auth_password": 'it\'s "quoted" \\ and: #odd',
    }
    people, watchdog = alertmanager["receivers"]
    assert people["email_configs"][0]["to"] == "ops@shop.example, night@shop.example"
    assert people["webhook_configs"] == [
        {"url": "https://hooks.example/T1/secret?a=b&c=d", "send_resolved": True}
    ]
    assert watchdog["webhook_configs"][0]["url"] == "https://ping.example/9f1c"
    rendered = "".join(file.text for file in templates.files(plan))
    assert not re.findall("quoted|hooks.example|ping.example", rendered)


def test_only_the_watchdog_is_led_to_the_receiver_outside(tmp_path: Path) -> None:
    written(planned(**everybody(tmp_path)), tmp_path)
    file = f"--config.file={tmp_path / 'alertmanager.yml'}"
    for labels, receiver in (
        (["alertname=Watchdog", "severity=none"], "watchdog"),
        (["alertname=SiteDown", "severity=page"], "people"),
        (["alertname=BackupLate", "severity=ticket"], "people"),
    ):
        assert amtool("config", "routes", "test", file, *labels).split("\n")[0] == receiver


@pytest.mark.parametrize("server", ["127.0.0.1:25", "localhost:25"])
def test_a_mail_server_on_the_machine_needs_no_tls(tmp_path: Path, server: str) -> None:
    texts = written(planned(alert_mail="a@b.example", alert_smtp=server), tmp_path)
    assert texts["alertmanager.yml"]["global"]["smtp_require_tls"] is False


@pytest.mark.parametrize("debian", DEBIANS)
def test_nothing_listens_but_on_the_loopback_address(debian: int) -> None:
    plan = planned(debian)
    assert plan.observability
    units = {
        file.path.parent.name: file.text
        for file in templates.files(plan)
        if file.path.parent.name.startswith("prometheus")
    }
    ports = {"prometheus": 9090, "prometheus-alertmanager": 9093, "prometheus-node-exporter": 9100}
    assert set(units) == {f"{name}.service.d" for name in ports}
    for name, port in ports.items():
        text = units[f"{name}.service.d"]
        (command,) = re.findall(r"^ExecStart=(/.*)", text, re.MULTILINE)
        assert f"--web.listen-address=127.0.0.1:{port}" in command.split()
        assert "SocketBindDeny=any" in text
        assert re.findall(r"^SocketBindAllow=(.*)", text, re.MULTILINE) == [f"ipv4:tcp:{port}"]
    assert "--cluster.listen-address=" in units["prometheus-alertmanager.service.d"].split()


def test_history_and_memory_are_bounded() -> None:
    plan, without = planned(), planned(observability="basic")
    assert plan.observability
    words = plan.observability.programs["prometheus"].words
    assert "--storage.tsdb.retention.time=15d" in words
    assert "--storage.tsdb.retention.size=1GB" in words
    assert (plan.memory.observability, without.memory.observability) == (256 * MB, 0)
    text = "".join(file.text for file in templates.files(plan))
    assert text.count(f"MemoryMax={160 * MB}\n") == 1
    assert (without.observability, "observability" in without.services) == (None, False)


def test_prometheus_asks_the_exporter_where_it_is(tmp_path: Path) -> None:
    prometheus = written(planned(metrics_port=9187), tmp_path)["prometheus.yml"]
    jobs = {job["job_name"]: job["static_configs"] for job in prometheus["scrape_configs"]}
    assert jobs["pgstack"] == [{"targets": ["127.0.0.1:9187"]}]
    assert set(jobs) == {"pgstack", "node", "prometheus", "alertmanager"}


@pytest.mark.parametrize(
    ("inputs", "reason"),
    [
        ({"TARGET": "local"}, "STACK_OBSERVABILITY=full needs a host or Compose"),
        ({"METRICS_PORT": "0"}, "STACK_OBSERVABILITY=full needs STACK_METRICS_PORT"),
        (
            {"SITES": "shop, blog", "NAME": "shop", "TLS": "self-signed", "PORT": "443"},
            "STACK_OBSERVABILITY=full needs a host with one site",
        ),
        ({"ALERT_MAIL": "a@b.example"}, "STACK_ALERT_MAIL needs STACK_ALERT_SMTP"),
        ({"ALERT_SMTP": "mail.example:25"}, "STACK_ALERT_SMTP needs STACK_ALERT_MAIL"),
        ({"ALERT_SMTP_USER": "a"}, "STACK_ALERT_SMTP_USER needs STACK_ALERT_SMTP_PASSWORD_FILE"),
        ({"ALERT_FROM": "a@b.example"}, "STACK_ALERT_FROM needs STACK_ALERT_MAIL"),
        ({"ALERT_MAIL": "nobody", "ALERT_SMTP": "m:25"}, "STACK_ALERT_MAIL=nobody: "),
        ({"ALERT_MAIL": 'a"@b.example', "ALERT_SMTP": "m:25"}, "STACK_ALERT_MAIL="),
        ({"ALERT_SMTP": "mail.example", "ALERT_MAIL": "a@b.example"}, "STACK_ALERT_SMTP=mail.ex"),
        (
            {"OBSERVABILITY": "basic", "ALERT_WEBHOOK_FILE": "/root/hook"},
            "STACK_ALERT_WEBHOOK_FILE needs STACK_OBSERVABILITY=full",
        ),
    ],
)
def test_inputs_that_cannot_be_are_refused_in_one_sentence(
    inputs: dict[str, str], reason: str
) -> None:
    named = {f"STACK_{name}": value for name, value in inputs.items()}
    with pytest.raises(InputError, match=re.escape(reason)) as raised:
        config.load({"STACK_TARGET": "host", "STACK_OBSERVABILITY": "full", **named})
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("", "its first line is empty"),
        ("hooks.example/T1", "its first line is not an http or https URL"),
        ("ftp://hooks.example/T1", "its first line is not an http or https URL"),
        ("https://hooks.example/T 1", "its first line is not an http or https URL"),
    ],
)
def test_a_secret_that_cannot_be_used_is_not_repeated(
    tmp_path: Path, line: str, reason: str
) -> None:
    plan = planned(**secrets(tmp_path, webhook=line))
    with pytest.raises(InputError) as raised:
        written(plan, tmp_path)
    assert str(raised.value).startswith(f"stack_inputs.alert_webhook_file={tmp_path}/webhook: ")
    assert reason in str(raised.value)
    assert "T1" not in str(raised.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    plan = planned(target="compose", alert_watchdog_file=str(tmp_path / "none"))
    with pytest.raises(InputError, match=r"STACK_ALERT_WATCHDOG_FILE=.*/none: No such file"):
        written(plan, tmp_path)
