"""Checks of lanes: whose backends they use, and which pages are theirs."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress

from pgstack.errors import ProbeError
from pgstack.live.probes import web
from pgstack.live.verify.finding import Outcome, judge
from pgstack.live.verify.live import Live
from pgstack.planning import lanes
from pgstack.planning.lanes import Lane

LOOKS = 3
"""at the backends before one counts as another pool's: PgBouncer may have closed it meanwhile"""
ESCAPES = (
    "/{0}/" + web.PATH,
    "/{0}//" + web.PATH,
    "//{0}/" + web.PATH,
    "/%2F{0}/" + web.PATH,
    "/%2F/%2f{0}/" + web.PATH,
    "/other%2F..%2F{0}/" + web.PATH,
    "/{0}%2F" + web.PATH,
    "/{0}/../" + web.PATH,
    "/{0}/%2e%2e/" + web.PATH,
    "/other/../{0}/" + web.PATH,
    "/./{0}/" + web.PATH,
    "/{0}x/" + web.PATH,
    "/{1}/" + web.PATH,
    "/{2}/" + web.PATH,
)
"""ways of writing a path: {0} is a prefix, {1} the same with its first letter encoded, {2} in
capitals"""


def pooled(live: Live) -> Outcome:
    """Every thread of a lane uses a backend of its pool, and all connections of its processes are
    there; no other page is."""
    plan = live.plan
    wrong = []
    for lane in plan.lanes:
        wrong += _strays(live, lane)
    owners = {f"{lanes.APPLICATION}{lane.name}": lane.database for lane in plan.lanes}
    by_database = Counter[str]()
    for row in live.show("CLIENTS"):
        name, database = str(row.get("application_name") or ""), str(row["database"])
        own = owners.get(name, plan.postgres.database if name == lanes.PAGES else database)
        by_database[database] += name in owners
        wrong += [f"{name} is at {database}, planned {own}"] if database != own else []
    detail = ", ".join(
        f"{lane.name}: {by_database[lane.database]} connections, {lane.pool_size} backends"
        for lane in plan.lanes
    )
    remedy = "`default` comes from pgstack.settings.databases(). Restart Apache: `make down up`."
    return judge(list(dict.fromkeys(wrong)), detail, remedy)


def _strays(live: Live, lane: Lane) -> list[str]:
    """What is wrong with the backends of a lane's threads."""
    survey = live.lanes[lane.name]
    if survey.errors:
        return [f"{lane.name}: {survey.errors[0]}"]
    elsewhere = {answer.database for answer in survey.answers} - {lane.database}
    if elsewhere:
        return [f"{lane.name} uses {', '.join(sorted(elsewhere))}, planned {lane.database}"]
    for _ in range(LOOKS):
        rows = [row for row in live.show("SERVERS") if row["database"] == lane.database]
        own = {int(row["remote_pid"]) for row in rows}
        strays = {answer.thread for answer in survey.answers if answer.backend not in own}
        if not strays or survey.errors:
            return []
        survey = web.survey(live.plan, lane)
    return [f"{len(strays)} threads of {lane.name} use backends that are not its pool's"]


def routed(live: Live) -> Outcome:
    """However a path is written, who answers is the lane of what Django makes of it."""
    plan = live.plan
    tried, wrong = (
        0,
        [f"{name}: {lane.errors[0]}" for name, lane in live.lanes.items() if lane.errors],
    )
    for lane in plan.lanes:
        for prefix in lane.prefixes:
            asked = prefix.strip("/")
            encoded = f"%{ord(asked[0]):02x}{asked[1:]}"
            for form in ESCAPES:
                path = form.format(asked, encoded, asked.upper())
                with suppress(ProbeError):  # Apache refuses it, or the project's pages do
                    answer = web.probe(plan, path=path.removeprefix("/"))
                    tried += 1
                    wanted = lanes.group_of(plan.lanes, answer.path)
                    if answer.group != wanted:
                        wrong.append(
                            f"{path} is {answer.path} to Django and answered by {answer.group}, "
                            f"planned {wanted}"
                        )
    detail = f"{tried} ways of writing a path are answered by the lane of what Django sees"
    if not tried:
        wrong.append("no path below a prefix is answered")
    return judge(wrong, detail, "Render and restart Apache: `make down up`.")
