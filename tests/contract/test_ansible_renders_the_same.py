"""What a play writes on a host is what `render` writes elsewhere, to the byte, from one set of
templates."""

from __future__ import annotations

import grp
import json
import os
import pwd
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pgstack.planning import layout, sizing
from pgstack.planning.config import StackConfig
from pgstack.planning.hardware import Hardware
from pgstack.planning.plan import Plan
from pgstack.rendering import kubernetes, manifest, templates

GB = 1024**3
MEMBERS = {
    "target": "cluster",
    "hosts": "shop.example",
    "members": "db1:10.0.0.21, db2:10.0.0.22, db3:10.0.0.23",
}
# Between them they take every branch of the templates.
PLANS = {
    "debian12": (12, {"target": "compose", "address": "*"}),
    "debian13": (
        13,
        {
            "target": "host",
            "tls": "self-signed",
            "hosts": "shop.example, .example.org, [::1]",
            "valkey": "on",
            "schedule": "clean=daily 04:00",
            "workers": "mail=manage.py run_huey",
        },
    ),
    "full": (
        13,
        {
            "target": "host",
            "hosts": "shop.example",
            "observability": "full",
            "alert_mail": "ops@shop.example",
            "alert_smtp": "mail.shop.example:587",
            "alert_smtp_user": "shop",
            "alert_smtp_password_file": "/root/password",
            "alert_webhook_file": "/root/webhook",
            "alert_watchdog_file": "/root/watchdog",
        },
    ),
    "several": (
        13,
        {
            "target": "host",
            "name": "shop",
            "sites": "shop:2, blog:1",
            "tls": "self-signed",
            "port": 443,
        },
    ),
    "member": (
        13,
        {
            **MEMBERS,
            "database_host": "10.0.0.22",
            "web_addresses": "10.0.0.11",
            "failover": "silence",
        },
    ),
    "witness": (13, {**MEMBERS, "database_host": "10.0.0.23", "witness": "db3"}),
    "follower": (
        13,
        {
            **MEMBERS,
            "database_host": "10.0.0.21",
            "workers": "mail=a",
            "replicas": "read",
            "poolers": 2,
        },
    ),
    "web": (13, {"target": "host", "database_host": "10.0.0.21"}),
    "balancer": (
        13,
        {
            "target": "host",
            "address": "*",
            "balancers": "lb1:10.0.0.31, lb2:10.0.0.32",
            "balancer_address": "10.0.0.30",
            "balancer": "lb1",
            "web_servers": "web1:10.0.0.11",
        },
    ),
    "project": (
        13,
        {"target": "host", "tls": "self-signed", "project": "shop", "settings": "shop.settings"},
    ),
}
INCLUDED = {
    *(f"pgbouncer/{name}.j2" for name in ("databases", "entry", "reads")),
    "host/background.j2",
    "host/building.j2",
    "host/observability.j2",
    "apache/access_log.j2",
}
"""what PgBouncer reads of the database wherever that is; what units have in common that run the
project's own programs, those that build, those of Prometheus, and both kinds of Apache"""
FILES = """{{ stack | stack_files | map("combine", {"owner": owner, "group": group, "validate": ""}) | to_json
    | regex_replace('"dest": "', '"dest": "' ~ directory) | from_json }}"""
"""what a role writes, below `directory` and owned by whoever runs the tests"""
PLAYBOOK = [
    {"hosts": "all", "gather_facts": False, "tasks": [{"stack_files": {"files": FILES}}]},
]


def plan(name: str) -> Plan:
    debian, inputs = PLANS[name]
    config = StackConfig.model_validate(inputs)
    return sizing.plan(config, Hardware(cores=2, memory=4 * GB, debian=debian, open_files=65536))


def files(name: str) -> dict[Path, bytes]:
    """What `render` writes, by its path."""
    return {file.path: file.text.encode() for file in templates.files(plan(name))}


def host(name: str, directory: Path) -> dict[str, Any]:
    """Variables of one inventory host: the plan as Ansible sees it, and where to write."""
    for path in files(name):
        directory.joinpath(name, *path.parts[1:]).parent.mkdir(parents=True, exist_ok=True)
    return {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "stack": json.loads(plan(name).model_dump_json()),
        "directory": str(directory / name),
        "owner": pwd.getpwuid(os.geteuid()).pw_name,
        "group": grp.getgrgid(os.getegid()).gr_name,
    }


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Directory with one directory for each plan, as one run of a playbook filled it."""
    directory = tmp_path_factory.mktemp("ansible")
    inventory = {"all": {"hosts": {name: host(name, directory) for name in PLANS}}}
    (directory / "inventory.json").write_text(json.dumps(inventory))
    (directory / "playbook.json").write_text(json.dumps(PLAYBOOK))
    (directory / "ansible.cfg").touch()
    ansible = layout.CHECKOUT / "ansible"
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")
    }
    environment |= {
        "ANSIBLE_HOME": str(directory / "home"),
        "ANSIBLE_REMOTE_TEMP": str(directory / "tmp"),
        "ANSIBLE_CONFIG": str(directory / "ansible.cfg"),
        "ANSIBLE_LIBRARY": str(ansible / "library"),
        "ANSIBLE_MODULE_UTILS": str(ansible / "module_utils"),
        "ANSIBLE_FILTER_PLUGINS": str(ansible / "filter_plugins"),
        "ANSIBLE_CALLBACK_PLUGINS": str(ansible / "callback_plugins"),
        "PYTHONPROFILEIMPORTTIME": "1",
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_PIPELINING": "1",
        "LC_ALL": "C.UTF-8",
    }
    command = [
        Path(sys.executable).with_name("ansible-playbook"),
        "-i",
        "inventory.json",
        "playbook.json",
    ]
    done = subprocess.run(
        command, cwd=directory, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    (directory / "imported").write_text(done.stderr)
    return directory


@pytest.mark.parametrize("name", PLANS)
def test_ansible_writes_the_bytes_that_render_writes(written: Path, name: str) -> None:
    contents = {
        Path("/", path.relative_to(written / name)): path.read_bytes()
        for path in (written / name).rglob("*")
        if path.is_file()
    }
    assert contents == files(name)


def test_the_planner_is_imported_once_for_all_tasks_and_hosts(written: Path) -> None:
    lines = (written / "imported").read_text().splitlines()
    assert sum(line.endswith(" pgstack.planning.plan") for line in lines) == 1


def test_every_template_of_the_tree_is_rendered() -> None:
    tree = {str(path.relative_to(layout.CHECKOUT)) for path in layout.CHECKOUT.glob("*/*.j2")}
    tree -= {f"{kubernetes.FOLDER}/{name}.yaml.j2" for name in kubernetes.NAMES}  # of no host
    sources = {
        name: {template.source for template in manifest.templates(plan(name))} for name in PLANS
    }
    plain = {"observability/alerts.yml", "haproxy/releases.acl"}  # no templates
    rendered = sources["debian13"] | sources["full"] | sources["several"]
    rendered |= sources["member"] | sources["follower"] | sources["web"]
    rendered |= sources["balancer"]
    assert rendered | INCLUDED == tree | plain
    units = {path for path in tree if path.startswith("host/")}
    assert tree - sources["debian12"] == {
        "pgbouncer/ident.conf.j2",
        *(f"pgbouncer/{name}.j2" for name in ("databases", "entry", "reads")),
        *(f"pgbouncer/primary-{number}.ini.j2" for number in (1, 2, 3)),
        *(f"pgbouncer/further-{number}.ini.j2" for number in (1, 2, 3)),
        *(f"pgbouncer/replica-{number}.ini.j2" for number in (1, 2, 3)),
        "etcd/etcd.yml.j2",
        "patroni/patroni.yml.j2",
        "haproxy/haproxy.cfg.j2",
        "keepalived/keepalived.conf.j2",
        "valkey/valkey.conf.j2",
        "apache/access_log.j2",
        "observability/alertmanager.yml.j2",
        "observability/prometheus.yml.j2",
        *units,
    }
