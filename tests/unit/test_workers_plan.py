"""Workers in the plan: a pool of their own, and what it takes from the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from fixtures.releases import DEBIANS
from pgstack import settings
from pgstack.db import base
from pgstack.errors import UnsoundPlan
from pgstack.overlay import environment
from pgstack.overlay.work import command
from pgstack.planning import invariants, services
from pgstack.planning.config import StackConfig
from pgstack.planning.hardware import Hardware
from pgstack.planning.plan import Plan
from pgstack.planning.sizing import plan
from pgstack.rendering import templates

MB, GB = 1024**2, 1024**3
WORKERS = "celery:1x3:300m=celery -A shop worker; mail:2=manage.py run_huey"


def planned(workers: str = WORKERS, **inputs: Any) -> Plan:
    here = Hardware(cores=2, memory=inputs.pop("memory", 4 * GB), debian=inputs.pop("debian", 13))
    return plan(StackConfig.model_validate({"workers": workers, **inputs}), here)


def text(stack: Plan, name: str) -> str:
    return next(file.text for file in templates.files(stack) if file.path.name == name)


def test_without_workers_nothing_is_planned_for_them() -> None:
    stack = planned("")
    assert (stack.workers, stack.background, stack.memory.workers) == ((), None, 0)
    assert "background" not in text(stack, "pgbouncer.ini") + text(stack, "hba.conf")
    assert stack.pooler.query_timeout == 25


def test_a_worker_says_how_it_ends() -> None:
    celery, mail = planned().workers
    assert (celery.stop_signal, celery.grace, mail.stop_signal) == ("TERM", 60, "INT")
    assert planned("mail:TERM:9s=manage.py run_huey").workers[0].stop_signal == "TERM"
    assert celery.programs == ("worker-celery-1",)
    assert mail.programs == ("worker-mail-1", "worker-mail-2")


def test_each_worker_is_a_service() -> None:
    stack = planned()
    by_name = {service.name: service for service in services.of(stack)}
    assert [name for name in by_name if name.startswith("worker-")] == [
        "worker-celery",
        "worker-mail",
    ]
    assert list(services.servers(stack)) == ["postgres", "pgbouncer", "apache"]
    assert by_name["worker-mail"].names == ("worker-mail-1", "worker-mail-2")
    assert by_name["worker-celery"].stop_seconds == 60


def test_the_pool_is_their_own_and_counted() -> None:
    stack, before = planned(), planned("")
    tasks = stack.background
    assert tasks is not None
    assert (tasks.clients, tasks.pool_size, tasks.reserve_pool_size) == (5, 5, 1)
    assert stack.pooler.default_pool_size == before.pooler.default_pool_size
    assert stack.postgres.max_connections == before.postgres.max_connections + 6 + 3
    assert stack.pooler.max_client_conn == before.pooler.max_client_conn + 2 * 5
    assert stack.pooler.file_descriptors == before.pooler.file_descriptors + 2 * 5 + 6
    assert stack.memory.workers == (300 + 2 * 200) * MB
    assert planned("many:64:100m=a", memory=16 * GB).background.pool_size == 5  # type: ignore[union-attr]


def test_its_line_says_so() -> None:
    lines = text(planned(), "pgbouncer.ini").splitlines()
    page, task = (
        next(line for line in lines if line.startswith(f"{name} = "))
        for name in ("app", "app_background")
    )
    assert " dbname=app user=app pool_size=5 reserve_pool_size=1 max_db_connections=6 " in task
    assert "SET statement_timeout TO ''300s''" in task
    assert "SET statement_timeout TO ''20s''" in page
    assert " reserve_pool=1 " in text(planned(debian=12), "pgbouncer.ini")
    assert "local app_background app,app_monitor peer map=background" in text(planned(), "hba.conf")


@pytest.mark.parametrize("debian", DEBIANS)
def test_accounts_of_pages_and_of_workers_reach_a_pool_each(debian: int) -> None:
    stack = planned(target="compose", debian=debian)
    pages, tasks = (
        {identity.account for identity in identities}
        for identities in (stack.pooler.identities, stack.pooler.task_identities)
    )
    assert ("app" in pages, "worker" in pages) == (True, False)
    assert ("app" in tasks, "worker" in tasks) == (False, True)


def test_sessions_past_the_pooler_are_counted_and_bounded() -> None:
    """One of each process; no page loses a backend to them."""
    stack, before = planned(), planned("")
    assert (before.postgres.direct_connections, stack.postgres.direct_connections) == (6, 6 + 3)
    reason = stack.arithmetic["postgres.max_connections"]
    assert " + 6 direct + 3 of workers that listen + " in reason
    roles = text(stack, "roles.sql")
    assert "ALTER ROLE app_worker CONNECTION LIMIT 9;\nGRANT app TO app_worker;" in roles
    assert "ALTER ROLE app_worker SET statement_timeout = '300s';" in roles
    assert "app_worker" not in text(before, "roles.sql") + text(before, "pg_hba.conf")


def test_a_worker_gets_in_at_postgresql_as_its_own_role_alone() -> None:
    stack = planned(target="compose")
    lines = text(stack, "pg_ident.conf").splitlines()
    assert [line for line in lines if line.startswith("stack worker ")] == [
        "stack worker app_worker"
    ]
    assert [line for line in lines if line.endswith(" app_worker")] == ["stack worker app_worker"]


def test_a_task_may_take_longer_than_a_page() -> None:
    stack = planned()
    broken = [rule.name for rule in invariants.check(stack) if not rule.holds]
    assert broken == []
    assert stack.postgres.statement_timeout == 20
    assert stack.background is not None
    assert stack.background.statement_timeout == 300
    assert stack.pooler.query_timeout == 330
    short = stack.background.model_copy(update={"statement_timeout": 400})
    rules = invariants.check(stack.model_copy(update={"background": short}))
    assert [rule.name for rule in rules if not rule.holds] == ["timeouts of a task's query in s"]


def test_more_than_there_is_memory_for_is_refused() -> None:
    with pytest.raises(
        UnsoundPlan,
        match=r"12800 workers \+ 40 metrics \+ 0 observability = .*or ask for fewer workers",
    ):
        planned("many:64x64=a")


def test_settings_of_a_worker_lead_to_its_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    stack = planned()
    monkeypatch.setattr(settings, "current_plan", lambda: stack)
    monkeypatch.delenv("STACK_WORKER", raising=False)
    page = settings.databases()
    assert (page["default"]["NAME"], page["default"]["PATIENCE_SECONDS"]) == ("app", 5)
    monkeypatch.setenv("STACK_WORKER", "mail")
    task = settings.databases()
    assert (task["default"]["NAME"], task["default"]["PATIENCE_SECONDS"]) == ("app_background", 25)
    assert task["default"]["OPTIONS"]["application_name"] == "worker mail"
    assert (page["direct"]["USER"], task["direct"]["USER"]) == ("app_owner", "app_worker")
    assert environment.database_url(stack).endswith("/app_background")


def test_a_worker_is_told_that_a_database_elsewhere_gives_it_no_session(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stack = planned().model_copy(update={"apart": True})
    monkeypatch.setattr(settings, "current_plan", lambda: stack)
    monkeypatch.setenv("STACK_WORKER", "mail")
    session = base.DatabaseWrapper(
        {"TIME_ZONE": None, **settings.databases()["direct"]}, alias="direct"
    )
    with pytest.raises(ImproperlyConfigured, match="`direct`: a worker has no session past"):
        session.get_new_connection({})
    monkeypatch.delenv("STACK_WORKER")
    assert "REFUSED" not in settings.databases()["direct"]


def test_a_command_begins_in_the_projects_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "project_root", lambda: Path("/srv/shop"))
    stack = planned("a=manage.py run_huey -w 2; b=python tasks.py; c=sh -c true")
    first, second, third = (command(stack, worker) for worker in stack.workers)
    assert first[0].endswith("/bin/python")
    assert first[1:] == ["/srv/shop/manage.py", "run_huey", "-w", "2"]
    assert (second[0], second[1:]) == (first[0], ["tasks.py"])
    assert third in (["/bin/sh", "-c", "true"], ["/usr/bin/sh", "-c", "true"])


@pytest.mark.parametrize(
    ("debian", "again"),
    [(12, "RestartSec=5\n"), (13, "RestartSec=1\nRestartSteps=5\nRestartMaxDelaySec=30\n")],
)
def test_a_host_has_a_unit_for_each_process(debian: int, again: str) -> None:
    stack = planned(target="host", hosts="shop.example", debian=debian)
    assert services.worker_units(stack) == {
        "celery": ["stack-worker-celery@1.service"],
        "mail": ["stack-worker-mail@1.service", "stack-worker-mail@2.service"],
    }
    unit = text(stack, "stack-worker-celery@.service")
    assert f"MemoryMax={300 * MB}\n" in unit
    assert "KillSignal=SIGTERM\nKillMode=mixed\nTimeoutStopSec=60\n" in unit
    assert f"Restart=always\n{again}MemoryMax" in unit
    assert "User=worker\n" in unit


def test_units_of_a_site_among_others_have_its_name() -> None:
    named = {"name": "shop", "sites": "shop, blog", "tls": "self-signed", "port": 443}
    stack = planned("mail=manage.py run_huey", target="host", **named)
    assert services.worker_units(stack) == {"mail": ["site-shop-worker-mail@1.service"]}
    assert "User=shop-worker\n" in text(stack, "site-shop-worker-mail@.service")
