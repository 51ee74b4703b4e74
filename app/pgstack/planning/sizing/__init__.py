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
from pgstack.planning import invariants, layout, names, packages, services
from pgstack.planning.apache import Firewall, Web
from pgstack.planning.background import Background, Entry, Worker
from pgstack.planning.config import StackConfig
from pgstack.planning.databases import Backup, Pooler, Roles
from pgstack.planning.hardware import Hardware
from pgstack.planning.places import Share
from pgstack.planning.plan import Memory, Plan
from pgstack.planning.sizing import backup, pooler, postgres, site, sites, valkey, web, workers
from pgstack.planning.sizing.basis import Basis
from pgstack.planning.sizing.scale import MB, MEMORY_STEP, Scale
from pgstack.planning.valkey import Valkey

SYSTEM_BYTES = 64 * MB
"""Debian without a desktop, and supervisord (docs/measurements.md)"""
SYSTEM_DIVISOR = 16
"""the kernel's part of memory: page tables of shared_buffers above all, which without huge pages
take a 512th of it for each backend"""


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
    memory = memory // MEMORY_STEP * MEMORY_STEP

    def sized(count: int, limit: str = "") -> Plan:
        return _assemble(config, hardware, debian, Scale(count, cores, memory, limit), of)

    try:
        _require(config, hardware, debian, sized(1))
    except UnsoundPlan as error:
        raise (sites.told(config, of, error) if of else error) from None
    sound = (
        bisect.bisect_left(
            range(2, cores + 1), True, key=lambda count: bool(_excess(config, sized(count)))
        )
        + 1
    )
    if sound == cores:
        return sized(cores)
    return sized(sound, f"With {sound + 1}, {_excess(config, sized(sound + 1))}")


def plan_web_host(web: Plan, database: Plan) -> Plan:
    """The plan of a web host whose database host has a plan of its own: that one says what
    PostgreSQL runs with.

    Raises UnsoundPlan when the two do not fit, as with two request timeouts.
    """
    here = {"host": web.postgres.host, "connection": web.postgres.connection}
    both = web.model_copy(update={"postgres": database.postgres.model_copy(update=here)})
    invariants.require(both)
    return both


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
            stack = _assemble(config, hardware, debian, Scale(1, least.cores, memory))
        hint = ""
        if memory > least.memory.total:
            hint = (
                f" STACK_MEMORY={memory // MB}m is enough; it counts in steps of "
                f"{MEMORY_STEP // MB} MB."
            )
        raise UnsoundPlan(f"{error}{hint}") from None


def _assemble(
    public: StackConfig,
    hardware: Hardware,
    debian: int,
    scale: Scale,
    share: Share | None = None,
) -> Plan:
    """The plan for this scale, sound or not."""
    config = sites.behind_front(public)
    versions = layout.VERSIONS[debian]
    basis = Basis(
        config=config,
        hardware=hardware,
        scale=scale,
        versions=versions,
        paths=layout.paths(config, versions),
        accounts=layout.accounts(config),
        roles=Roles(),
    )
    daemons, of_daemons = web.web(basis)
    apache, of_apache = web.apache(basis, daemons)
    programs = workers.workers(basis)
    entries = workers.schedule(basis)
    background, of_background = workers.background(basis, programs, entries)
    pool, of_pool = pooler.pooler(basis, daemons, background)
    cache, of_cache = valkey.valkey(basis, pool, daemons.patience)
    database, of_database = postgres.postgres(basis, pool, background)
    backups, of_backups = backup.backup(basis, database)
    firewall = site.firewall(public, hardware, basis.paths)
    return Plan(
        target=config.target,
        part=config.part.name,
        apart=config.part.apart,
        services=_services(basis, firewall, backups, cache, front=sites.has_front(public)),
        names=names.of(config.name),
        debian=debian,
        cores=scale.available,
        open_files=hardware.open_files,
        max_threads=hardware.max_threads,
        versions=versions,
        paths=basis.paths,
        accounts=basis.accounts,
        roles=basis.roles,
        site=site.site(config, basis.paths.tls, site.instance_ports(config)),
        front=site.front(public),
        share=share,
        firewall=firewall,
        project=layout.project(config),
        packages=layout.packages(config, debian),
        web=daemons,
        apache=apache,
        pooler=pool,
        postgres=database,
        external=postgres.external(basis),
        backup=backups,
        workers=programs,
        schedule=entries,
        background=background,
        valkey=cache,
        memory=_memory(basis, daemons, pool, background, _of_work(programs, entries, cache)),
        arithmetic=of_daemons
        | of_apache
        | of_pool
        | of_background
        | of_cache
        | of_database
        | of_backups,
    )


def _services(
    basis: Basis,
    firewall: Firewall,
    backups: Backup | None,
    cache: Valkey | None,
    *,
    front: bool,
) -> tuple[str, ...]:
    """What the host runs, in starting order."""
    optional = {
        services.VALKEY: cache is not None,
        services.HOST: basis.target.units,
        services.FIREWALL: firewall.enabled,
        services.BACKUP: backups is not None,
        services.FRONT: front,
    }
    found = [service.name for service, there in optional.items() if there]
    wanted = {*basis.config.part.services, *found}
    return tuple(service.name for service in services.SERVICES if service.name in wanted)


def _of_work(
    programs: tuple[Worker, ...], entries: tuple[Entry, ...], cache: Valkey | None
) -> dict[str, int]:
    """What the project asked for beside pages."""
    return {
        "workers": workers.workers_bytes(programs, entries),
        "valkey": valkey.valkey_bytes(cache),
    }


def _memory(
    basis: Basis,
    daemons: Web,
    pool: Pooler,
    background: Background | None,
    of_work: dict[str, int],
) -> Memory:
    """The shares of what this host runs; 0 for what runs on another."""
    memory = basis.scale.memory
    sizes = {
        "apache": {
            "web": web.web_bytes(daemons),
            "apache": web.apache_bytes(
                daemons.requests, memory, takes_over=bool(basis.target.instance_ports)
            ),
            **of_work,
        },
        "pgbouncer": {"pooler": pooler.pooler_bytes(pool)},
        "postgres": postgres.postgres_bytes(basis, pool, background),
    }
    return Memory(
        total=memory,
        system=SYSTEM_BYTES + memory // SYSTEM_DIVISOR,
        **{
            name: size if service in basis.config.part.services else 0
            for service, shares in sizes.items()
            for name, size in shares.items()
        },
    )
