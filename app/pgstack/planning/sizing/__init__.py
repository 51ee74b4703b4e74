"""The plan of a stack from its inputs and its hardware: one pure function, `plan`.

A stack is sized for a number of cores: processes, pool and workers follow from it. It is the
largest number of cores, of those there are, whose stack is sound in the memory there is. What a
stack needs grows with its cores; what it needs grows more slowly than memory. So with more memory
or cores a sound plan stays sound, and none of its numbers shrinks but those that divide memory
among more (work_mem, autovacuum_work_mem).

Constants have a unit and say where they come from, each in the module of its part.
"""

from __future__ import annotations

import bisect

from pgstack.errors import InputError, UnsoundPlan
from pgstack.planning import invariants, layout, packages
from pgstack.planning.cluster import Cluster
from pgstack.planning.config import StackConfig
from pgstack.planning.hardware import Hardware
from pgstack.planning.plan import Plan
from pgstack.planning.sizing import cluster, pooler_split, sites, web
from pgstack.planning.sizing.assembly import assemble
from pgstack.planning.sizing.scale import MB, MEMORY_STEP, Scale


def plan(config: StackConfig, hardware: Hardware) -> Plan:
    """The plan for these inputs on this hardware. What an input names is taken as it is.

    Raises InputError when something the plan needs is unknown, UnsoundPlan when it would not be
    sound on one core.
    """
    hardware, of = sites.share(config, hardware)
    cores, memory = _known(hardware.cores, "cores"), _known(hardware.memory, "memory")
    debian = _known(hardware.debian, "debian")
    if debian not in layout.VERSIONS:
        raise InputError(
            f"STACK_DEBIAN={debian}: unsupported release. Supported: {packages.known()}."
        )
    cluster.require(config.members, debian)
    memory = memory // MEMORY_STEP * MEMORY_STEP

    def sized(count: int, limit: str = "") -> Plan:
        return assemble(config, hardware, debian, Scale(count, cores, memory, limit), of)

    try:
        _require(config, hardware, debian, sized(1))
    except UnsoundPlan as error:
        raise (sites.share_too_small(config, of, error) if of else error) from None
    sound = (
        bisect.bisect_left(
            range(2, cores + 1), True, key=lambda count: bool(_excess(config, sized(count)))
        )
        + 1
    )
    limit = "" if sound == cores else f"With {sound + 1}, {_excess(config, sized(sound + 1))}"
    planned = sized(sound, limit)
    pooler_split.require(config.poolers, planned)
    return planned


def plan_web_host(web: Plan, database: Plan) -> Plan:
    """The plan of a web host whose database host has a plan of its own: that one says what
    PostgreSQL runs with.

    Raises UnsoundPlan when the two do not fit, as with two request timeouts.
    """
    here: dict[str, object] = {
        "host": web.postgres.host,
        "connection": web.postgres.connection,
    }
    if web.cluster:  # each member listens on its own address
        listens = "listen_addresses"
        here["settings"] = {k: v for k, v in database.postgres.settings.items() if k != listens}
    both = web.model_copy(
        update={
            "postgres": database.postgres.model_copy(update=here),
            "cluster": _shared(web, database),
        }
    )
    invariants.require(both)
    return both


def plan_member(member: Plan, first: Plan) -> Plan:
    """The plan of a cluster's member beside that of the first, which says what must be the same on
    all. Raises UnsoundPlan."""
    same = {name: first.postgres.settings[name] for name in cluster.SAME_EVERYWHERE}
    own = {
        "settings": member.postgres.settings | same,
        "max_connections": first.postgres.max_connections,
    }
    both = member.model_copy(
        update={
            "postgres": member.postgres.model_copy(update=own),
            "cluster": _shared(member, first),
        }
    )
    invariants.require(both)
    return both


def _shared(plan: Plan, first: Plan) -> Cluster | None:
    """What the first member's plan has Patroni keep for all."""
    if plan.cluster is None or first.cluster is None:
        return plan.cluster
    return plan.cluster.model_copy(update={"shared": first.cluster.shared})


def _known(value: int | None, field: str) -> int:
    if value is None:
        raise InputError(f"STACK_{field.upper()}: unknown on this machine. Set it.")
    return value


def _excess(config: StackConfig, stack: Plan) -> str:
    """What is too much in this plan, empty when nothing is."""
    broken = [
        f"{rule.name}: {rule.arithmetic}" for rule in invariants.check(stack) if not rule.holds
    ]
    share = stack.memory.total // web.SHARE_DIVISOR
    if (
        config.processes is None
        and stack.web.processes > web.MIN_PROCESSES
        and stack.memory.web > share
    ):
        processes = f"{stack.web.processes} processes x {stack.web.memory_per_process // MB} MB"
        broken.append(f"{processes} > {share // MB} MB, a quarter of memory")
    return "; ".join(broken)


def _require(config: StackConfig, hardware: Hardware, debian: int, least: Plan) -> None:
    """Raise UnsoundPlan unless the smallest stack is sound, naming an amount of memory that would
    be enough."""
    try:
        invariants.require(least)
    except UnsoundPlan as error:
        memory, stack = least.memory.total, least
        # Ends, as what is needed grows more slowly than memory.
        while (needed := invariants.memory_needed(stack) * MB) > memory:
            memory = -(-needed // MEMORY_STEP) * MEMORY_STEP
            stack = assemble(config, hardware, debian, Scale(1, least.cores, memory))
        hint = ""
        if memory > least.memory.total:
            hint = (
                f" STACK_MEMORY={memory // MB}m is enough; it counts in steps of "
                f"{MEMORY_STEP // MB} MB."
            )
        raise UnsoundPlan(f"{error}{hint}") from None
