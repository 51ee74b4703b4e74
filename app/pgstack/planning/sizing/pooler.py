"""PgBouncer in transaction mode. Defaults and meanings of its settings: pgbouncer.ini(5)."""

from __future__ import annotations

from typing import Any

from pgstack.planning import layout
from pgstack.planning.apache import Web
from pgstack.planning.background import Background
from pgstack.planning.databases import Pooler, PoolerProcess
from pgstack.planning.lanes import Lane, all_requests, backends_beside
from pgstack.planning.replicas import Replicas
from pgstack.planning.sizing import cluster, metrics, pooler_split, timeouts
from pgstack.planning.sizing.basis import Basis, Reasons
from pgstack.planning.sizing.scale import KB, MB
from pgstack.planning.sizing.timeouts import seconds

PORT = 6432

BACKENDS_PER_CORE, SPINDLES = 2, 1
"""connections = cores x 2 + effective spindles, where one SSD counts as one (PostgreSQL wiki,
"Number Of Database Connections"); an upper limit here: PgBouncer opens a backend only when none is
free"""
RESERVE_DIVISOR, RESERVE_MIN = 4, 2
"""reserve_pool_size as a part of the pool: enough for a burst, too few for a stampede"""
RESERVE_RENAMED = (1, 24)
"""version in which a database's line has another word for its reserve"""
WARM_BACKENDS = 4
"""min_pool_size: the threads of one process find a backend open also after an idle night"""
TAKING_OVER = 1
"""on a host an instance of PgBouncer is replaced by another that runs beside it meanwhile; on all
web hosts at once when passwords change"""
GENERATIONS = 2
"""while processes are replaced, old and new ones hold connections at the same time"""
COMMAND_CLIENTS = 20
"""client connections planned for probes, management commands and consoles"""
THREAD_CLIENTS = 200
"""client connections planned for threads that the application starts by itself: each is worth
CLIENT_BYTES"""
SPARE_DESCRIPTORS = 64
"""descriptors for PgBouncer's log, sockets, epoll and its console"""
BASE_BYTES, CLIENT_BYTES = 8 * MB, 8 * KB
"""3 MB at the start and 1 kB per idle client, 4 kB more for its buffer (pkt_buf) while it is active
(docs/measurements.md), twice that"""

SERVER_LIFETIME_SECONDS = 3600
"""default: a backend's caches do not grow for ever"""
SERVER_IDLE_SECONDS = 600
"""default: what a burst opened goes when it is over"""
CLIENT_IDLE_SECONDS = 3600
"""a client that is never heard of again goes; pgstack.db connects again where it was a thread after
a quiet night"""
SERVER_CONNECT_SECONDS = 5
"""a backend on the same host is there in milliseconds; the default of 15 is beyond WAIT"""
LOGIN_RETRY_SECONDS = 1
"""the default of 15 turns a database restart of one second into an outage of fifteen"""
CLIENT_LOGIN_SECONDS = 15
"""a login over a local socket takes milliseconds (default 60)"""
STATS_SECONDS = 60
"""default"""
KEEPALIVE = {"tcp_keepidle": 10, "tcp_keepintvl": 5, "tcp_keepcnt": 3}
"""in seconds: a database host that was lost is noticed after 25 s on idle backends too (default:
two hours)"""
TLS_OF_OTHERS = "tlsv1.2,tlsv1.3"
"""versions with an external PostgreSQL: managed ones still have 1.2"""
PREPARED_STATEMENTS = 200
"""per backend, the default since 1.24; needs 1.21"""


def pool_size(basis: Basis) -> int:
    """Backends (server connections) of the pool for pages."""
    return basis.config.pool_size or BACKENDS_PER_CORE * basis.scale.cores + SPINDLES


def reserve_word(basis: Basis) -> str:
    """What PgBouncer calls the reserve in the line of a database."""
    renamed = layout.version(basis.versions.pgbouncer) >= RESERVE_RENAMED
    return "reserve_pool_size" if renamed else "reserve_pool"


def pooler(
    basis: Basis,
    web: Web,
    lanes: tuple[Lane, ...],
    background: Background | None,
    replicas: Replicas | None,
) -> tuple[Pooler, Reasons]:
    """Every thread of both generations gets a client connection for each of its aliases; few of
    them need a backend at the same time."""
    pool = pool_size(basis)
    reserve = max(RESERVE_MIN, pool // RESERVE_DIVISOR)
    threads = all_requests(web, lanes)
    slots = threads * web.hosts + (background.clients if background else 0)
    aliases = 2 if replicas else 1
    clients = GENERATIONS * aliases * slots + COMMAND_CLIENTS + THREAD_CLIENTS
    backends = pool + reserve + backends_beside(lanes, background, replicas)
    timeout = web.request_timeout
    query = timeouts.TASK_QUERY if background else timeouts.QUERY
    numbers = {
        "max_client_conn": clients,
        "default_pool_size": pool,
        "reserve_pool_size": reserve,
        "max_db_connections": pool + reserve,
        "query_timeout": seconds(timeout, query),
        "query_wait_timeout": seconds(timeout, timeouts.WAIT),
    }
    parts, because = pooler_split.count(basis, web, pool)
    first, *further = _processes(basis, numbers, timeout, parts)
    planned = Pooler(
        port=first.port,
        instances=web.hosts * (1 + TAKING_OVER if basis.target.instance_ports else 1),
        **_identities(basis, tasks=background is not None),
        file_descriptors=clients + backends + SPARE_DESCRIPTORS,
        pause_timeout=seconds(timeout, timeouts.FORGOTTEN),
        settings=first.settings,
        further=tuple(further),
        **numbers,
    )
    reasons = _reasons(basis, web, pool, reserve) | because
    reasons["pooler.query_timeout"] = timeouts.text(timeout, query)
    for lane in lanes:
        reasons["pooler.max_client_conn"] += (
            f" + {GENERATIONS} x {lane.requests} of lane {lane.name} x {web.hosts} hosts"
        )
    if background:
        reasons["pooler.max_client_conn"] += f" + {GENERATIONS} x {background.clients} of workers"
    if replicas:
        reasons["pooler.max_client_conn"] += (
            f" + {GENERATIONS} x {slots} that read from the alias `replica`"
        )
    return planned, reasons


def _processes(
    basis: Basis, numbers: dict[str, int], timeout: int, parts: int
) -> list[PoolerProcess]:
    """The PgBouncers of a host, each with its part of the `numbers`."""
    apart = {} if "postgres" in basis.config.part.services else _apart(basis, timeout)
    reserve = seconds(timeout, timeouts.RESERVE)
    return [
        PoolerProcess(
            number=place + 1,
            port=PORT + place,
            settings=_settings(basis, PORT + place, share, reserve) | apart,
        )
        for place, share in enumerate(pooler_split.shares(numbers, parts))
    ]


def _identities(basis: Basis, *, tasks: bool) -> dict[str, Any]:
    """Who may log in as whom; those of tasks where there are any."""
    where = basis.accounts, basis.roles, basis.versions
    web_login, monitor_login = layout.pooler_logins(*where)
    return {
        "web_login": web_login,
        "monitor_login": monitor_login,
        "peer_maps": layout.peer_maps(basis.versions),
        "identities": layout.pooler_identities(*where),
        "task_identities": layout.task_identities(*where) if tasks else (),
        "console_identities": layout.console_identities(*where) if metrics.observed(basis) else (),
    }


def _reasons(basis: Basis, web: Web, pool: int, reserve: int) -> Reasons:
    scale, timeout = basis.scale, web.request_timeout
    return {
        "pooler.default_pool_size": f"STACK_POOL_SIZE={pool}"
        if basis.config.pool_size
        else f"{BACKENDS_PER_CORE} x {scale.text} + {SPINDLES} (PostgreSQL wiki){scale.because}",
        "pooler.reserve_pool_size": f"max({RESERVE_MIN}, {pool} / {RESERVE_DIVISOR})",
        "pooler.max_db_connections": f"{pool} pool + {reserve} reserve",
        "pooler.max_client_conn": f"{GENERATIONS} generations x {web.processes} processes x "
        f"{web.threads} threads x {web.hosts} hosts + {COMMAND_CLIENTS} for probes and commands + "
        f"{THREAD_CLIENTS} for the application's own threads",
        "pooler.query_wait_timeout": timeouts.text(timeout, timeouts.WAIT),
    }


def pooler_bytes(part: Pooler) -> int:
    """Bytes of all PgBouncers of a host with all clients connected."""
    return len(part.processes) * BASE_BYTES + part.max_client_conn * CLIENT_BYTES


def _stats_users(basis: Basis) -> str:
    """Without peer maps the web, which shows its pools, and the account that deploys come under
    their own names."""
    logins = layout.pooler_logins(basis.accounts, basis.roles, basis.versions)
    if layout.peer_maps(basis.versions):
        return logins[1]
    exporter = (basis.accounts.metrics,) if metrics.observed(basis) else ()
    return ",".join(dict.fromkeys((*logins, *exporter)))


def _settings(
    basis: Basis, port: int, numbers: dict[str, int], reserve_seconds: int
) -> dict[str, str]:
    """Lines of pgbouncer.ini. No listen_addr: PgBouncer never listens on TCP."""
    conf = f"{basis.paths.conf}/pgbouncer"
    settings: dict[str, object] = {
        "unix_socket_dir": basis.paths.run_pooler_own,
        "unix_socket_mode": "0770",
        "listen_port": port,
        "auth_type": "hba",
        "auth_file": f"{conf}/userlist.txt",
        "auth_hba_file": f"{conf}/hba.conf",
        "stats_users": _stats_users(basis),
        "pool_mode": "transaction",
        **numbers,
        "min_pool_size": min(numbers["default_pool_size"], WARM_BACKENDS),
        "reserve_pool_timeout": reserve_seconds,
        "server_lifetime": SERVER_LIFETIME_SECONDS,
        "server_idle_timeout": SERVER_IDLE_SECONDS,
        "server_connect_timeout": SERVER_CONNECT_SECONDS,
        "server_login_retry": LOGIN_RETRY_SECONDS,
        "client_login_timeout": CLIENT_LOGIN_SECONDS,
        "client_idle_timeout": CLIENT_IDLE_SECONDS,
        # The role's own idle_in_transaction_session_timeout strikes first and leaves a message.
        "idle_transaction_timeout": numbers["query_timeout"],
        "server_reset_query": "DISCARD ALL",
        "server_reset_query_always": 0,
        "application_name_add_host": 0,
        "log_connections": 0,
        "log_disconnections": 0,
        "log_pooler_errors": 1,
        "stats_period": STATS_SECONDS,
    }
    if layout.peer_maps(basis.versions):
        settings["auth_ident_file"] = f"{conf}/ident.conf"
    if layout.version(basis.versions.pgbouncer) >= (1, 21):
        settings["max_prepared_statements"] = PREPARED_STATEMENTS
    return {name: str(value) for name, value in settings.items()}


def _apart(basis: Basis, request_timeout: int) -> dict[str, str]:
    """Lines that differ where PostgreSQL is on another machine: its certificate is checked, and so
    is that it lives."""
    place = basis.paths.database
    settings: dict[str, object] = {
        "auth_file": f"{place}/userlist.txt",
        "server_tls_sslmode": "verify-full",
        "server_tls_ca_file": f"{place}/authority.pem",
        "server_tls_protocols": TLS_OF_OTHERS if basis.config.database_url else "tlsv1.3",
        **KEEPALIVE,
        "tcp_user_timeout": 1000 * seconds(request_timeout, timeouts.WAIT),
        **(cluster.pooler_settings() | _led(basis) if basis.config.members else {}),
    }
    return {name: str(value) for name, value in settings.items()}


def _led(basis: Basis) -> dict[str, str]:
    """Whoever follows the primary commands PgBouncer."""
    return {"admin_users": basis.accounts.follower}
