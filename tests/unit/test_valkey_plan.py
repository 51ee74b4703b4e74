"""Valkey in the plan: what it may hold, what it takes from the rest, and what a project is told of
it."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest

from fixtures import foreign
from pgstack.cache import NumbersOnly, PatientClient
from pgstack.errors import InputError, UnsoundPlan
from pgstack.planning import config, invariants, packages, services
from pgstack.planning.config import StackConfig
from pgstack.planning.hardware import Hardware
from pgstack.planning.plan import Plan
from pgstack.planning.sizing import plan
from pgstack.rendering import templates

MB, GB = 1024**2, 1024**3


def planned(memory: int = 4 * GB, open_files: int | None = None, **inputs: Any) -> Plan:
    here = Hardware(cores=2, memory=memory, debian=inputs.pop("debian", 13), open_files=open_files)
    return plan(StackConfig.model_validate({"valkey": "on", **inputs}), here)


def configuration(stack: Plan) -> list[str]:
    texts = [file.text for file in templates.files(stack) if file.path.name == "valkey.conf"]
    return texts[0].splitlines() if texts else []


def test_nobody_gets_it_unasked() -> None:
    stack = planned(valkey="off")
    assert (stack.valkey, stack.memory.valkey, configuration(stack)) == (None, 0, [])
    assert "valkey" not in (*stack.services, *services.servers(stack))


@pytest.mark.parametrize(("debian", "program"), [(12, "redis-server"), (13, "valkey-server")])
def test_each_debian_has_its_own(debian: int, program: str) -> None:
    stack = planned(debian=debian)
    assert stack.valkey
    assert stack.valkey.program == f"/usr/bin/{program}"
    assert packages.valkey(debian) == {f"/usr/bin/{program}": program}
    assert list(services.servers(stack)) == ["postgres", "pgbouncer", "valkey", "apache"]


def test_it_drops_no_queue_keeps_tasks_and_has_no_port() -> None:
    lines = configuration(planned())
    assert {
        "port 0",
        "unixsocketperm 770",
        "maxmemory-policy volatile-lru",
        "appendonly yes",
        "appendfsync everysec",
        f"maxmemory {128 * MB}",
    } <= set(lines)
    (user,) = [line for line in lines if line.startswith("user ")]
    assert {"-@admin", "-@dangerous", "+flushdb"} <= set(user.split())


def test_memory_counts_it_twice() -> None:
    stack = planned(valkey_memory="300m")
    assert stack.memory.valkey == 616 * MB
    memory = next(rule for rule in invariants.check(stack) if rule.name == "memory in MB")
    assert " + 616 valkey + 40 metrics + 0 observability = " in memory.arithmetic
    with pytest.raises(UnsoundPlan, match="lower STACK_VALKEY_MEMORY"):
        planned(memory=GB, valkey_memory="600m")


def test_each_client_of_the_pooler_may_have_two_connections() -> None:
    stack = planned()
    assert stack.valkey
    assert stack.valkey.maxclients == 2 * stack.pooler.max_client_conn
    with pytest.raises(UnsoundPlan, match="file descriptors of Valkey"):
        planned(open_files=stack.valkey.file_descriptors - 1)


@pytest.mark.parametrize(
    ("inputs", "reason"),
    [
        ({"STACK_VALKEY_MEMORY": "1g"}, "STACK_VALKEY_MEMORY needs STACK_VALKEY=on"),
        ({"STACK_VALKEY": "on", "STACK_WEB_HOSTS": "2"}, "STACK_VALKEY=on needs one web host"),
        ({"STACK_VALKEY": "yes"}, "STACK_VALKEY=yes: "),
    ],
)
def test_bad_inputs_are_refused(inputs: dict[str, str], reason: str) -> None:
    with pytest.raises(InputError) as refused:
        config.load(inputs)
    assert str(refused.value).startswith(reason)


ASKED = "import os; from django.conf import settings as s; "
ADDRESSES = '{n: v for n, v in os.environ.items() if n.endswith(("KEY_URL", "DIS_URL", "KER_URL"))}'


def test_a_project_without_a_cache_gets_one(tmp_path: Path) -> None:
    project = foreign.make(tmp_path)
    code = f"{ASKED} print(s.CACHES['default']['BACKEND'], s.CACHES['default']['LOCATION'])"
    backend, location = foreign.told(project, "-c", code, valkey="on").stdout.split()
    assert backend == "pgstack.cache.Cache"
    assert location.startswith("unix:///")
    assert location.endswith("/run/valkey/valkey.sock?db=1")
    assert "LocMem" in foreign.told(project, "-c", f"{ASKED} print(s.CACHES)").stdout


def test_a_cache_of_its_own_stays_and_is_told_of(tmp_path: Path) -> None:
    own = 'CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}\n'
    project = foreign.make(tmp_path, more=own)
    code = f"{ASKED} print(s.CACHES['default']['BACKEND'])"
    assert "DummyCache" in foreign.told(project, "-c", code, valkey="on").stdout
    assert "CACHES['default']: it stays as it is" in foreign.told(project, valkey="on").stdout


def test_the_addresses_are_handed_over(tmp_path: Path) -> None:
    project = foreign.make(tmp_path)
    code = f"{ASKED} print(s.DEBUG, {ADDRESSES})"
    told = foreign.told(project, "-c", code, valkey="on").stdout
    assert told.count("/run/valkey/valkey.sock?db=0'") == 2
    assert "'CELERY_BROKER_URL': 'redis+socket:///" in told
    assert "valkey.sock?virtual_host=0'" in told
    assert foreign.told(project, "-c", code).stdout.strip() == "False {}"


def test_of_hosts_apart_the_web_has_it() -> None:
    apart = {"target": "host", "database_host": "db.example"}
    web, database = planned(**apart), planned(**apart, web_addresses="10.0.0.11")
    others = ("metrics", "host", "firewall", "backup")
    assert web.services == ("pgbouncer", "valkey", "apache", *others)
    assert (database.valkey, database.memory.valkey) == (None, 0)
    assert "valkey" not in database.services


def test_who_deploys_unpickles_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = {b"number": b"7", b"object": b"no pickle"}

    class Server:
        """What has these two entries."""

        def get(self, key: bytes) -> bytes:
            return kept[key]

        def mget(self, keys: list[bytes]) -> list[bytes]:
            return [kept[key] for key in keys]

    own = PatientClient(["unix:///nowhere"], patience=1, serializer=NumbersOnly)
    monkeypatch.setattr(own, "get_client", lambda *_, **__: Server())
    assert (own.get(b"number", None), own.get(b"object", "missing")) == (7, "missing")
    assert own.get_many([b"number", b"object"]) == {}
    trusting = PatientClient(["unix:///nowhere"], patience=1)
    monkeypatch.setattr(trusting, "get_client", lambda *_, **__: Server())
    with pytest.raises(pickle.UnpicklingError):
        trusting.get(b"object", None)
