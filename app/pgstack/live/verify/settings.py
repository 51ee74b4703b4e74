"""Checks that the servers run with what was planned and rendered."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from pgstack.live.probes import collations, console, postgres
from pgstack.live.verify.finding import Outcome, judge
from pgstack.live.verify.live import Live, ask
from pgstack.planning import invariants, locales, services, targets, timeout_order
from pgstack.planning.plan import Plan
from pgstack.rendering import templates
from pgstack.rendering.files import difference

REMEDY = targets.Target.remedy
APACHE_TIMEOUTS = ("shutdown", "graceful", "request", "socket", "deadlock")
SHOWN_AS = {"max_db_connections": "max_connections"}
"""in SHOW DATABASES, by the word in pgbouncer.ini"""
OF_A_ROLE = """
    SELECT coalesce(' in database ' || datname, ''), unnest(setconfig)
      FROM pg_db_role_setting LEFT JOIN pg_database ON pg_database.oid = setdatabase
     WHERE setrole = %s::regrole"""
"""place and text of each setting"""


def soundness(live: Live) -> Outcome:
    """The plan in force keeps every inequality."""
    rules = invariants.check(live.plan)
    broken = [rule for rule in rules if not rule.holds]
    remedy = broken[0].remedy if broken else ""
    return judge([rule.arithmetic for rule in broken], f"{len(rules)} inequalities hold", remedy)


def files(live: Live) -> Outcome:
    """The files on disk are the ones that the plan renders."""
    wanted = templates.files(live.plan)
    wrong = [f"{file.path}: edited" for file in wanted if difference([file])]
    wrong += [f"{path}: not what the plan wants" for path in not_in_force(live.plan)]
    return judge(wrong, f"{len(wanted)} files are as rendered", targets.of(live.plan.target).remedy)


def not_in_force(plan: Plan) -> list[Path]:
    """Copies that a host's servers run with and that differ from what is wanted; a server's name
    when it has none."""
    if not targets.of(plan.target).keeps_copies:
        return []
    conf = Path(plan.paths.conf)
    wrong = []
    for part, directories in _in_force(plan).items():
        wrong += [] if directories else [conf / "live" / part]
        for directory, file in itertools.product(directories, sorted((conf / part).iterdir())):
            copy = directory / file.name
            wrong += [] if copy.is_file() and copy.read_bytes() == file.read_bytes() else [copy]
    return wrong


def _in_force(plan: Plan) -> dict[str, list[Path]]:
    """Server → directories of the files that it reads; on a host each instance has a copy of its
    own."""
    conf, run = Path(plan.paths.conf), Path(plan.paths.run)
    servers = [service for service in services.of(plan) if service.programs]
    if not targets.of(plan.target).keeps_copies:
        return {service.kind: [conf / service.kind] for service in servers}
    live = conf / "live"
    return {
        service.kind: [
            live / f"{service.kind}-{path.name[-1]}"
            for path in sorted(run.glob(f"{service.instances}-[ab]"))
        ]
        if service.instances
        else [live / service.kind]
        for service in servers
    }


def loaded(live: Live) -> Outcome:
    """No file is younger than what read it. PgBouncer does not say when it read its files."""
    load_time = postgres.query(
        live.monitor, "SELECT extract(epoch FROM pg_conf_load_time())::float8"
    )[0][0]
    names = {
        "postgres": [name for name in services.POSTGRES.files if name.endswith(".conf")],
        "apache": list(services.APACHE.files),
    }
    read = {"postgres": load_time}
    if live.web.answers:
        read["apache"] = min(answer.started for answer in live.web.answers)
    files = {
        directory / name: when
        for server, when in read.items()
        for directory in _in_force(live.plan).get(server, ())
        for name in names[server]
    }
    late = [
        file.relative_to(live.plan.paths.conf)
        for file, when in files.items()
        if file.stat().st_mtime > when
    ]
    wrong = [f"{name}: changed after it was read" for name in late]
    return judge(
        wrong,
        f"{len(files)} files were read after their last change",
        targets.of(live.plan.target).remedy,
    )


def postgres_settings(live: Live) -> Outcome:
    """pg_settings equals the plan, and nothing waits for a restart."""
    planned = live.plan.postgres.settings
    wrong = _differences(
        postgres.different(planned, postgres.settings(live.monitor, list(planned)))
    )
    pending = postgres.query(
        live.monitor, "SELECT name FROM pg_settings WHERE pending_restart ORDER BY name"
    )
    wrong += [f"{name}: waits for a restart" for (name,) in pending]
    return judge(wrong, f"{len(planned)} settings equal the plan", REMEDY)


def sorting(live: Live) -> Outcome:
    """The database sorts as planned, which only the one that is made again can change, and its
    indexes are in that order."""
    wanted, (existing,) = live.plan.postgres.locale, postgres.query(live.monitor, postgres.SORTS)[0]
    if reason := locales.refusal(wanted, existing, ()):
        return judge([reason], "", "Say it in the inputs.")
    rows = postgres.query(live.monitor, collations.COLLATIONS)
    indexes = postgres.query(live.monitor, collations.SORTED)
    wrong = [
        f"{index} is in the order of another version of {collation} than the library's: queries "
        "may miss rows, and duplicates get in"
        for index, collation in collations.out_of_order(rows, rows, indexes)
    ]
    return judge(
        wrong, f"by {existing}", "Build each anew, then note it: docs/upgrades.md#sort-order"
    )


def extensions(live: Live) -> Outcome:
    """The database has the extensions that are planned."""
    rows = postgres.query(live.monitor, "SELECT extname, extversion FROM pg_extension")
    installed, wanted = dict(rows), live.plan.postgres.extensions
    missing = [f"{name} is missing" for name in wanted if name not in installed]
    told = ", ".join(f"{name} {installed.get(name)}" for name in wanted)
    return judge(missing, told, "Apply roles.sql again: `make down up`.")


def role_settings(live: Live) -> Outcome:
    """What is set on the roles of the web, of deploys and of workers equals the plan, and nothing
    else is: they may change it."""
    part, roles, tasks = live.plan.postgres, live.plan.roles, live.plan.background
    of_roles = {roles.app: part.app_settings, roles.owner: part.owner_settings}
    if tasks and not live.plan.apart:
        of_roles[roles.worker] = tasks.settings
    wrong = []
    for role, planned in of_roles.items():
        actual: dict[str, str] = {}
        for place, pair in postgres.query(live.monitor, OF_A_ROLE, (role,)):
            name, value = str(pair).split("=", 1)
            if place or name.lower() not in planned:
                wrong.append(f"{role}: {name} = {value} is set{place}, not planned")
            else:
                actual[name.lower()] = value
        wrong += [f"{role}: {text}" for text in _differences(postgres.different(planned, actual))]
    count = sum(map(len, of_roles.values()))
    return judge(
        wrong, f"{count} settings equal the plan", "Apply roles.sql again: `make down up`."
    )


def pooler_settings(live: Live) -> Outcome:
    """SHOW CONFIG of each PgBouncer equals the plan, and so does the line of the database, which
    may overrule it."""
    wrong, count = [], 0
    for process in live.plan.pooler.processes:
        planned = {**process.settings, "listen_addr": ""}
        config = {row["key"]: str(row["value"] or "") for row in live.shown("CONFIG", process.port)}
        differences = console.different(planned, config)
        differences |= _database_line(live, process.port, live.plan.postgres.database)
        if reads := live.plan.replicas:
            sizes = {"pool_size": process.settings["default_pool_size"], **reads.sizes}
            anywhere = live.plan.cluster is not None  # `replicas.led` says where
            differences |= _database_line(
                live, process.port, reads.database, sizes, anywhere=anywhere
            )
        several = f"{process.name}: " if live.plan.pooler.further else ""
        wrong += [f"{several}{text}" for text in _differences(differences)]
        count += len(planned)
    first = live.plan.pooler.port
    for lane in live.plan.lanes:
        wrong += _differences(_database_line(live, first, lane.database, lane.sizes))
    if tasks := live.plan.background:
        wrong += _differences(_database_line(live, first, tasks.database, tasks.sizes))
    return judge(wrong, f"{count} settings equal the plan", REMEDY)


def _database_line(
    live: Live,
    port: int,
    name: str,
    sizes: Mapping[str, str] = MappingProxyType({}),
    *,
    anywhere: bool = False,
) -> dict[str, tuple[str, str]]:
    plan = live.plan
    primary = "SELECT host(inet_server_addr())"
    planned = {
        "host": postgres.query(live.monitor, primary)[0][0] if plan.cluster else plan.postgres.host,
        "port": str(plan.postgres.port),
        "database": plan.postgres.database,
        "force_user": plan.roles.app,
        "paused": "0",
        "disabled": "0",
        **{SHOWN_AS.get(setting, setting): size for setting, size in sizes.items()},
    }
    rows = {row["name"]: row for row in live.shown("DATABASES", port)}
    row = rows.get(name, {})
    if anywhere:
        del planned["host"]
    planned["pool_mode"] = plan.pooler.settings["pool_mode"]
    shown = {each: str(row.get(each, "missing")) for each in planned}
    if row.get("pool_mode", "") is None:  # not overruled
        shown["pool_mode"] = planned["pool_mode"]
    return {
        f"database {name} {each}": (planned[each], shown[each])
        for each in planned
        if planned[each] != shown[each]
    }


def timeouts(live: Live) -> Outcome:
    """The timeouts that the servers run with are in order: a caller gives up later than what it
    waits for."""
    rules = list(timeout_order.check(_live_timeouts(live)))
    broken = [f"{rule.name}: {rule.arithmetic}" for rule in rules if not rule.holds]
    return judge(broken, rules[0].arithmetic + " s", REMEDY)


def _live_timeouts(live: Live) -> timeout_order.Timeouts:
    tasks = live.plan.background
    return timeout_order.Timeouts(
        statement=_statement_timeout(live, live.plan.postgres.database),
        query=float(live.config["query_timeout"]) or math.inf,
        query_wait=float(live.config["query_wait_timeout"]) or math.inf,
        pause=live.plan.pooler.pause_timeout,
        # The processes read these from the plan's file.
        queue=live.plan.web.queue_timeout,
        watchdog=live.plan.web.watchdog_timeout,
        task=_statement_timeout(live, tasks.database) if tasks else None,
        **_apache_timeouts(live.plan),
    )


def _statement_timeout(live: Live, database: str) -> float:
    """Seconds, on a backend as those get it who work with this database at PgBouncer."""
    with live.clients(1, database) as (client,):
        seconds = ask(
            client,
            "SELECT setting::float8 / 1000 FROM pg_settings WHERE name = 'statement_timeout'",
        )
    return float(seconds) or math.inf


def _apache_timeouts(plan: Plan) -> dict[str, float]:
    """From the files that Apache reads: its processes do not tell theirs."""
    conf = Path(plan.paths.conf, "apache")
    site, mpm = (conf / "site.conf").read_text(), (conf / "mpm.conf").read_text()
    patterns = {name: (rf"\b{name}-timeout=(\d+)", site) for name in APACHE_TIMEOUTS}
    patterns["apache"] = (r"(?m)^Timeout (\d+)", mpm)
    matches = {name: re.search(pattern, text) for name, (pattern, text) in patterns.items()}
    return {name: float(match[1]) if match else math.inf for name, match in matches.items()}


def _differences(wrong: dict[str, tuple[str, str]]) -> list[str]:
    return [
        f"{name}: planned {planned!r}, live {live!r}" for name, (planned, live) in wrong.items()
    ]
