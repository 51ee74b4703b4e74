"""The plan of a stack on a PostgreSQL that is somebody else's: within what that grants."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pgstack.errors import InputError, UnsoundPlan
from pgstack.external import findings, grants, password, survey
from pgstack.external.grants import Granted
from pgstack.planning import sizing
from pgstack.planning.config import StackConfig, load
from pgstack.planning.grants import UNLIMITED, Grants
from pgstack.planning.hardware import Hardware
from pgstack.planning.plan import Plan
from pgstack.rendering import templates
from pgstack.targets.host import inventory

GB = 1024**3
SMALL = Grants(
    major=17,
    max_connections=25,
    reserved=3,
    database_limit=UNLIMITED,
    role_limit=UNLIMITED,
    others=2,
    others_here=0,
)
URL = "postgresql://dba@db.example.org:5433/site?sslrootcert=/etc/ssl/authority.pem"


def config(**inputs: str) -> StackConfig:
    own = {"STACK_DATABASE_URL": URL, "STACK_DATABASE_PASSWORD_FILE": "/etc/word"}
    return load({**own, **{f"STACK_{name.upper()}": text for name, text in inputs.items()}})


def planned(granted: Grants | None = SMALL, cores: int = 2, **inputs: str) -> Plan:
    machine = Hardware(cores, 4 * cores * GB, 12, 65536, database=granted)
    return sizing.plan(config(**inputs), machine)


def test_nothing_of_postgresql_is_planned_or_rendered() -> None:
    plan = planned()
    assert plan.services == ("pgbouncer", "apache", "metrics")
    assert plan.postgres.settings == {}
    shares = plan.memory
    assert (shares.postgres, shares.shared_buffers, shares.backends, shares.work) == (0, 0, 0, 0)
    names = {file.path.name for file in templates.files(plan)}
    assert not names & {"pg_hba.conf", "pgstack.conf", "roles.sql", "userlist.txt"}


def test_pgbouncer_checks_whom_it_gives_its_password() -> None:
    plan = planned()
    ini = next(file.text for file in templates.files(plan) if file.path.name == "pgbouncer.ini")
    assert "site = host=db.example.org port=5433 dbname=site user=app " in ini
    assert "server_tls_sslmode = verify-full\n" in ini
    assert f"auth_file = {plan.paths.database}/userlist.txt\n" in ini
    assert plan.postgres.connection["sslmode"] == "verify-full"


def test_its_version_says_which_settings_there_are() -> None:
    """The machine has Debian 12, with PostgreSQL 15."""
    assert "transaction_timeout" in planned().postgres.app_settings
    older = SMALL.model_copy(update={"major": 15})
    assert "transaction_timeout" not in planned(older).postgres.app_settings


def test_the_plan_stays_within_what_is_granted() -> None:
    """On eight cores 27 connections are wanted, and 20 are there."""
    free = planned(None, cores=8)
    assert free.pooled_connections + free.postgres.direct_connections == 27
    plan = planned(cores=8)
    assert plan.pooled_connections + plan.postgres.direct_connections <= 20
    assert "connections that the server grants" in plan.arithmetic["pooler.default_pool_size"]


@pytest.mark.parametrize(
    ("changed", "inputs", "arithmetic"),
    [
        (
            {},
            {"pool_size": "17"},
            "21 through PgBouncer + 7 past it = 28 > 20 = 25 max_connections - 3 reserved - 2 in use",
        ),
        ({"others": 15}, {}, "> 7 = 25 max_connections - 3 reserved - 15 in use by others"),
        ({"database_limit": 8, "others_here": 1}, {}, "> 7 = 8 of the database - 1 in use"),
        ({"role_limit": 3}, {}, "5 through PgBouncer = 5 > 3 = limit of the role"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_arithmetic(
    changed: dict[str, int], inputs: dict[str, str], arithmetic: str
) -> None:
    with pytest.raises(UnsoundPlan) as refused:
        planned(SMALL.model_copy(update=changed), **inputs)
    assert arithmetic in str(refused.value)
    assert "Lower STACK_POOL_SIZE, or have the limit raised." in str(refused.value)


GRANTED = Granted(
    version_number=170002,
    version="17.2",
    max_connections=25,
    reserved=3,
    database_limit=UNLIMITED,
    others=2,
    others_here=0,
    tls="TLSv1.3",
    may_create_roles=True,
    extensions=[],
    roles={},
    handed_on=frozenset(),
    superusers_settings=frozenset(),
    reported={},
)


class Reader:
    """A connection that nobody asks."""

    def close(self) -> None:
        """Nothing is open."""


@pytest.mark.parametrize(("number", "refused"), [(140015, True), (150008, False), (170002, False)])
def test_a_version_that_the_stack_does_not_run_on_is_refused(
    monkeypatch: pytest.MonkeyPatch, number: int, refused: bool
) -> None:
    said: Any = replace(GRANTED, version_number=number, version=f"{number // 10000}.2")
    monkeypatch.setattr(password, "require_authority", lambda _: None)
    monkeypatch.setattr(password, "of_login", lambda _: "word")
    monkeypatch.setattr(grants, "reader", lambda *_: Reader())
    monkeypatch.setattr(grants, "ask", lambda *_: said)
    if refused:
        with pytest.raises(InputError, match=r"PostgreSQL 14.2: 15 to 17 are supported"):
            survey.ask(config())
    else:
        server = survey.ask(config())
        assert server
        assert server.granted == said


def test_a_connection_that_is_not_encrypted_fails() -> None:
    lines = findings.judge(planned(None), replace(GRANTED, tls=""), named=True)
    assert [line.text for line in lines if line.verdict == findings.FAILS] == [
        "the server says that this connection is not encrypted"
    ]


def host_plan(**given: Any) -> Plan:
    """Of a host that asked the server."""
    machine = {"cores": 8, "memory": 32 * GB, "debian": 13, "open_files": 65536}
    inputs = {"database_url": URL, "database_password_file": "/root/word"}
    asked = {"before": None, "now": SMALL.model_dump(), **given}
    return Plan.model_validate(inventory.plan_external(inputs, machine, asked))


@pytest.mark.parametrize("target", ["local", "compose", "host"])
def test_workers_have_their_pool_there_and_no_password(target: str) -> None:
    """Their backends are counted within what is granted, and no session past PgBouncer is."""
    work = {"workers": "mail:2=manage.py run_huey", "schedule": "look=daily 04:00 manage.py check"}
    wide, place = SMALL.model_copy(update={"max_connections": 30}), {"target": target}
    plan = planned(wide, database_authority="/etc/authority.pem", **work, **place)
    assert plan.background is not None
    assert plan.postgres.direct_connections == 6
    assert plan.pooled_connections + plan.postgres.direct_connections <= 25
    ini = next(file.text for file in templates.files(plan) if file.path.name == "pgbouncer.ini")
    assert "app_background = host=db.example.org port=5433 dbname=site user=app " in ini
    if target != "local":
        assert "worker" not in {login.account for login in plan.postgres.passwords}


def test_what_workers_want_too_much_is_refused_with_the_arithmetic() -> None:
    with pytest.raises(UnsoundPlan, match=r"past it = .* > 20 = 25 max_connections"):
        planned(pool_size="9", workers="mail:9=manage.py run_huey")


def test_a_host_has_what_runs_beside_such_a_server() -> None:
    plan = host_plan()
    assert (plan.part, "postgres" in plan.services) == ("web", False)
    assert plan.pooled_connections + plan.postgres.direct_connections <= 20


@pytest.mark.parametrize(("others", "kept"), [(1, True), (4, False)])
def test_a_plan_stays_while_others_leave_it_enough(others: int, kept: bool) -> None:
    """What they hold changes by the minute."""
    now = SMALL.model_copy(update={"others": others}).model_dump()
    plan = host_plan(before=SMALL.model_dump(), now=now)
    assert plan.external
    assert (plan.external.grants == SMALL) is kept


def test_another_limit_is_another_plan() -> None:
    now = SMALL.model_copy(update={"max_connections": 26})
    plan = host_plan(before=SMALL.model_dump(), now=now.model_dump())
    assert plan.external
    assert plan.external.grants == now


def test_web_hosts_of_such_a_server_are_counted() -> None:
    """The database is on none of them; what is scheduled runs on one."""
    given = {"database_url": URL, "schedule": "sweep=daily: manage.py clearsessions"}
    parts = [inventory.of_host(given, name, {"web": ["a", "b"]}) for name in ("a", "b")]
    assert [part["web_hosts"] for part in parts] == [2, 2]
    assert ["schedule" in part for part in parts] == [True, False]


@pytest.mark.parametrize("groups", [{"database": ["db"], "web": ["a"]}, {"web": ["b"]}])
def test_a_database_host_beside_such_a_server_is_refused(groups: dict[str, list[str]]) -> None:
    with pytest.raises(InputError, match="all of them are in the group web"):
        inventory.of_host({"database_url": URL}, "a", groups)


@pytest.mark.parametrize(("name", "value"), [("locale", "C.UTF-8"), ("wal_level", "logical")])
def test_an_input_of_the_stacks_own_postgresql_is_refused(name: str, value: str) -> None:
    with pytest.raises(InputError, match=f"STACK_{name.upper()} needs the stack's own PostgreSQL"):
        config(**{name: value})
