"""PostgreSQL for OLTP on an SSD, beside the web processes. "Docs" is its manual, chapter Server
Configuration."""

from __future__ import annotations

import ipaddress
from typing import Any

from pgstack.planning import layout, locales
from pgstack.planning.background import Background
from pgstack.planning.config import StackConfig
from pgstack.planning.databases import External, Identity, Pooler, Postgres
from pgstack.planning.sizing import (
    backup,
    cluster,
    metrics,
    postgres_memory,
    replicas,
    rights,
    timeouts,
)
from pgstack.planning.sizing.basis import Basis, Reasons
from pgstack.planning.sizing.postgres_memory import WorkerProcesses
from pgstack.planning.sizing.postgres_settings import FIXED, KEEPALIVE, connection
from pgstack.planning.sizing.scale import MB
from pgstack.planning.sizing.timeouts import seconds
from pgstack.planning.sizing.workers import listeners

PORT = 5432

SUPERUSER_RESERVED = 3
"""connections; PostgreSQL's default"""


def postgres(
    basis: Basis, pool: Pooler, others: int, background: Background | None
) -> tuple[Postgres, Reasons]:
    """PostgreSQL as planned, for the backends that PgBouncer may open: those of the pages' pool,
    and `others`."""
    config, who = basis.config, (basis.accounts, basis.roles)
    connections = _connections(basis, pool, others)
    workers = postgres_memory.worker_processes(basis.scale.cores)
    timeout, apart, far = config.request_timeout, config.part.apart, _elsewhere(config)
    given = config.database_url
    planned = Postgres(
        **_place(basis),
        extensions=config.extensions,
        locale=config.locale,
        locale_options=locales.options(config.locale),
        identities=_apart_identities(basis)
        if apart
        else layout.postgres_identities(
            *who, workers=background is not None, metrics=metrics.observed(basis)
        ),
        web_addresses=config.web_addresses or (),
        passwords=layout.passwords(*who) if apart else (),
        connection=connection(basis.paths, elects=bool(config.members)) if far else {},
        max_connections=connections,
        superuser_reserved_connections=SUPERUSER_RESERVED,
        direct_connections=_direct(basis),
        settings={} if given else _own_settings(connections, workers, basis),
        app_settings=timeouts.of_backends(timeouts.PAGE, timeout, basis.postgresql),
        owner_settings={"timezone": "UTC", "lock_timeout": f"{seconds(timeout, timeouts.LOCK)}s"},
        statement_timeout=seconds(timeout, timeouts.STATEMENT),
        closed_functions=() if given else rights.closed(basis.versions.postgresql),
    )
    return planned, _reasons(basis, connections, workers)


def _place(basis: Basis) -> dict[str, Any]:
    """Where it is, and which of its databases pages work with."""
    config, given = basis.config, basis.config.database_url
    if given:
        return {
            "host": given.host,
            "server_name": given.host,
            "port": given.port,
            "database": given.database,
        }
    where = ",".join(config.databases.values()) or str(config.database_host)
    far = where if _elsewhere(config) else basis.paths.run_postgres
    own = {"host": far, "server_name": config.database_host or ""}
    return {**own, "port": PORT, "database": "app"}


def external(basis: Basis) -> External | None:
    """One that is not the stack's."""
    given = basis.config.external
    if given is None:
        return None
    return External(login=given.user, authority=given.sslrootcert, grants=basis.hardware.database)


def postgres_bytes(basis: Basis, pool: Pooler, others: int) -> dict[str, int]:
    """Shares of memory, in bytes, by what they are for."""
    connections = _connections(basis, pool, others)
    parts = postgres_memory.shares(
        basis.scale.memory, connections, postgres_memory.worker_processes(basis.scale.cores)
    )
    vacuum = parts.pop("autovacuum")
    return {**parts, "maintenance": parts["maintenance"] + vacuum}


def _elsewhere(config: StackConfig) -> bool:
    return "postgres" not in config.part.services


def _connections(basis: Basis, pool: Pooler, others: int) -> int:
    pooled = (pool.max_db_connections + others) * pool.instances
    past = _direct(basis) + _held(basis) + _elected(basis)
    return pooled + past + SUPERUSER_RESERVED


def _direct(basis: Basis) -> int:
    """Connections past PgBouncer."""
    return basis.config.direct_connections + listeners(basis)


def _held(basis: Basis) -> int:
    """Connections of the exporter."""
    return metrics.connections(basis)


def _elected(basis: Basis) -> int:
    """Connections of Patroni."""
    return cluster.CONNECTIONS if basis.config.members else 0


def _apart_identities(basis: Basis) -> tuple[Identity, ...]:
    """Patroni is PostgreSQL's account, and replicates from its own server to compare."""
    own = layout.apart_identities(basis.accounts, basis.roles, metrics=metrics.observed(basis))
    patroni = Identity(account=basis.accounts.postgres, role=cluster.REPLICATION)
    return (*own, patroni) if basis.config.members else own


def _reasons(basis: Basis, connections: int, workers: WorkerProcesses) -> Reasons:
    """How the sizes come about."""
    config, held, elected = basis.config, _held(basis), _elected(basis)
    listening = listeners(basis)
    pooled = connections - _direct(basis) - SUPERUSER_RESERVED - held - elected
    statement = timeouts.text(config.request_timeout, timeouts.STATEMENT)
    needed = {
        "postgres.max_connections": f"{pooled} through the pooler + {config.direct_connections} "
        f"direct + "
        + (f"{listening} of workers that listen + " if listening else "")
        + (f"{held} of the exporter + " if held else "")
        + (f"{elected} of Patroni + " if elected else "")
        + f"{SUPERUSER_RESERVED} "
        f"superuser",
        "postgres.statement_timeout": f"{statement}, on the role of the web",
    }
    if config.database_url:
        return needed
    return {**postgres_memory.reasons(connections, workers), **needed}


def _own_settings(connections: int, workers: WorkerProcesses, basis: Basis) -> dict[str, str]:
    """Lines of the drop-in, on whichever host it is."""
    config = basis.config
    sized = _settings(connections, workers, basis)
    return (
        sized
        | backup.archiving(config, basis.paths)
        | _named(basis)
        | (_apart(config) if config.part.apart else {})
        | (
            cluster.settings(sized["max_wal_size"]) | replicas.standby_settings(basis)
            if config.members
            else {}
        )
    )


def _named(basis: Basis) -> dict[str, str]:
    """What tells the clusters of a machine apart; the account of one that is not `postgres` may not
    write where Debian has the files with their process numbers."""
    own = {"cluster_name": basis.config.name}
    if not basis.accounts.site:
        return own
    return own | {"external_pid_file": f"{basis.paths.run_postgres}/postgres.pid"}


def _settings(connections: int, workers: WorkerProcesses, basis: Basis) -> dict[str, str]:
    """Lines of the drop-in. wal_buffers stays at its default: a 32nd of shared_buffers, up to 16
    MB."""
    paths, sizes = basis.paths, postgres_memory.sizes(basis.scale.memory, connections, workers)
    conf = f"{paths.conf}/postgres"
    settings: dict[str, object] = {
        "listen_addresses": "",
        "port": PORT,
        "unix_socket_directories": paths.run_postgres,
        "unix_socket_permissions": "0770",
        "hba_file": f"{conf}/pg_hba.conf",
        "ident_file": f"{conf}/pg_ident.conf",
        "ssl": "off",
        "password_encryption": "scram-sha-256",
        "max_connections": connections,
        "superuser_reserved_connections": SUPERUSER_RESERVED,
        **{name: f"{value // MB}MB" for name, value in sizes.items()},
        "max_worker_processes": workers.processes,
        "max_parallel_workers": workers.parallel,
        "max_parallel_workers_per_gather": workers.gather,
        "autovacuum_max_workers": workers.autovacuum,
        **FIXED,
        **({"wal_level": "logical"} if basis.config.wal_level == "logical" else {}),
    }
    return {name: str(value) for name, value in settings.items()}


def _apart(config: StackConfig) -> dict[str, str]:
    """Lines that differ where the clients are on other hosts: TCP with TLS.

    A name may stand for a loopback address on its own host, so with a name PostgreSQL listens on
    all addresses.
    """
    try:
        address = str(ipaddress.ip_address(str(config.database_host)))
    except ValueError:
        address = "*"
    return {
        "listen_addresses": address,
        "ssl": "on",
        "ssl_min_protocol_version": "TLSv1.3",
        "ssl_cert_file": f"{layout.DATABASE}/server.pem",
        "ssl_key_file": f"{layout.DATABASE}/server.key",
        **KEEPALIVE,
    }
