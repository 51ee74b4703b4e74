"""A plan of one machine, divided into pods: what each is given of it, and the inputs with which a
web pod plans for itself. An example (docs/kubernetes.md)."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from pgstack.errors import InputError
from pgstack.planning import config, sizing
from pgstack.planning.hardware import Hardware
from pgstack.planning.input_names import EXTERNAL
from pgstack.planning.locales import PLAIN
from pgstack.planning.packages import NEWEST
from pgstack.planning.plan import Plan
from pgstack.planning.sizing.assembly import SYSTEM_BYTES, SYSTEM_DIVISOR
from pgstack.planning.sizing.balancing import CHECK_MARGIN_SECONDS
from pgstack.planning.sizing.scale import MB, MEMORY_STEP

KEPT = frozenset(
    {
        *("cluster_name", "external_pid_file", "hba_file", "ident_file", "listen_addresses"),
        *("port", "shared_preload_libraries", "ssl", "unix_socket_directories"),
        "unix_socket_permissions",
    }
)
"""settings of the plan that CloudNativePG 1.30 sets itself, and refuses from others"""
OPERATOR_CONNECTIONS = 10
"""of the operator's program in each pod of PostgreSQL, and of web pods that ask the server before
they plan; chosen"""
PROBE_BYTES = 32 * MB
"""of psql and Python, with which PgBouncer's pod is asked; chosen"""
POOLER_CPU = 50
"""thousandths of a core for each core of Apache and Python: 28 CPU-µs for 682 (docs/results.md)"""
ENDPOINT_SECONDS = 5
"""until a pod that is to end is no longer sent new connections; chosen"""
LIVENESS_SECONDS = 10
"""between two looks at whether the web lives"""
LIVENESS_PATIENCE = 2
"""longest requests for which no page may be answered: a busy pod is not a dead one"""
LOGIN = "stack_login"
"""owner of the database, which makes the other roles"""
ENVIRONMENT = "/run/secrets/environment"
GIVEN = "/run/given"
PROJECT = "/srv/stack/project"


@dataclass(frozen=True)
class Pods:
    """What templates see beside the plan as `pods`; memory in MB, times in seconds."""

    login: str
    inputs: dict[str, str]
    """of the planner in a web pod"""
    parameters: dict[str, str]
    """of PostgreSQL"""
    web_memory: int
    pooler_memory: int
    database_memory: int
    pooler_cpu: int
    """thousandths of a core"""
    host: str
    """a name that the site answers to"""
    environment: str
    """where the project's file of variables is; empty without one"""
    given: str
    """where secrets are"""
    drain: str
    """file that has Apache close each connection after its answer"""
    drain_seconds: int
    termination: int
    answer: int
    """within which a page that waits for a backend is answered"""
    liveness: int
    liveness_looks: int


def divided(plan: Plan) -> Pods:
    """Raises InputError for what the example does not have, UnsoundPlan where a web pod would not
    fit into its part."""
    _require(plan)
    web = _web_bytes(plan)
    inputs = _inputs(plan, web)
    pod = sizing.plan(
        config.load(inputs),
        Hardware(plan.cores, web, NEWEST, plan.open_files, plan.max_threads),
    )
    pooler = _up(pod.memory.pooler) + PROBE_BYTES
    timeout, apache = plan.web.request_timeout, plan.apache
    drain_seconds = ENDPOINT_SECONDS + apache.keep_alive_timeout + 1
    return Pods(
        login=LOGIN,
        inputs=inputs,
        parameters=_parameters(plan),
        web_memory=(web - pooler) // MB,
        pooler_memory=pooler // MB,
        database_memory=(plan.memory.total - web) // MB,
        pooler_cpu=POOLER_CPU * plan.cores,
        host=plan.site.hosts[0].lstrip("."),
        environment=inputs.get("STACK_ENVIRONMENT", ""),
        given=GIVEN,
        drain=min(plan.paths.drain.values()),
        drain_seconds=drain_seconds,
        termination=drain_seconds + apache.graceful_shutdown_timeout + plan.web.shutdown_timeout,
        answer=plan.pooler.query_wait_timeout + CHECK_MARGIN_SECONDS,
        liveness=LIVENESS_SECONDS,
        liveness_looks=-(-LIVENESS_PATIENCE * timeout // LIVENESS_SECONDS),
    )


def _require(plan: Plan) -> None:
    """Raise InputError, naming all inputs that the pods do not have."""
    there = {
        f"{EXTERNAL} (CloudNativePG is the database here)": plan.external,
        f"STACK_TLS={plan.site.tls} (an ingress ends TLS: STACK_PROXY=on)": plan.site.tls != "off",
        f"STACK_LOCALE={plan.postgres.locale}": plan.postgres.locale != PLAIN,
        "STACK_EXTENSIONS": plan.postgres.extensions,
        "STACK_WORKERS": plan.workers,
        "STACK_SCHEDULE": plan.schedule,
        "STACK_LANES": plan.lanes,
        "STACK_REPLICAS": plan.replicas,
        "STACK_VALKEY": plan.valkey,
    }
    if names := [name for name, value in there.items() if value]:
        raise InputError(
            f"{', '.join(names)}: the example for Kubernetes does not have that. Leave it out, or "
            "write those pods yourself beside it (docs/kubernetes.md)."
        )


def _web_bytes(plan: Plan) -> int:
    """Memory of a web pod: its servers' shares, and what the planner leaves to a system."""
    servers = plan.memory.web + plan.memory.apache + plan.memory.pooler + PROBE_BYTES
    return _up(-(-(servers + SYSTEM_BYTES) * SYSTEM_DIVISOR // (SYSTEM_DIVISOR - 1)))


def _up(size: int) -> int:
    """Rounded up to what memory counts in."""
    return -(-size // MEMORY_STEP) * MEMORY_STEP


def _parameters(plan: Plan) -> dict[str, str]:
    """Of PostgreSQL, without those that the operator keeps."""
    connections = plan.postgres.max_connections + OPERATOR_CONNECTIONS
    own = {name: value for name, value in plan.postgres.settings.items() if name not in KEPT}
    return own | {"max_connections": str(connections)}


def _inputs(plan: Plan, memory: int) -> dict[str, str]:
    """With which a web pod's planner gives the numbers of this plan, on a PostgreSQL of others."""
    web, site, prefix = plan.web, plan.site, plan.names.prefix
    given = {
        "STACK_TARGET": "compose",
        "STACK_ADDRESS": "*",
        "STACK_CORES": plan.cores,
        "STACK_MEMORY": f"{memory // MB}m",
        "STACK_PROCESSES": web.processes,
        "STACK_THREADS": web.threads,
        "STACK_PROCESS_MEMORY": web.memory_per_process,
        "STACK_WEB_HOSTS": web.hosts,
        "STACK_POOL_SIZE": plan.pooler.default_pool_size,
        "STACK_DIRECT_CONNECTIONS": plan.postgres.direct_connections,
        "STACK_REQUEST_TIMEOUT": web.request_timeout,
        "STACK_PORT": site.port,
        "STACK_HOSTS": ",".join(site.hosts),
        "STACK_PROXY": "on" if site.proxy else "",
        "STACK_PROXY_ADDRESSES": ",".join(site.proxy_addresses),
        "STACK_HSTS": site.hsts or "",
        "STACK_ACCESS_LOG": site.access_log,
        "STACK_UPLOAD_LIMIT": site.upload_limit,
        "STACK_OBSERVABILITY": "off",
        EXTERNAL: f"postgresql://{LOGIN}@{prefix}-database-rw/{plan.postgres.database}",
        "STACK_DATABASE_AUTHORITY": f"{GIVEN}/authority/ca.crt",
        "STACK_DATABASE_PASSWORD_FILE": "/tmp/login",  # noqa: S108 - in memory of one container
        **_project_inputs(plan),
    }
    return {name: str(value) for name, value in given.items() if value != ""}


def _project_inputs(plan: Plan) -> dict[str, str]:
    if plan.project is None:
        return {}
    project = plan.project
    return {
        "STACK_PROJECT": PROJECT,
        "STACK_SETTINGS": project.settings,
        "STACK_WSGI": project.wsgi,
        "STACK_COMMANDS": "; ".join(shlex.join(words) for words in project.commands),
        "STACK_DATA": ",".join(project.data),
        "STACK_ENVIRONMENT": ENVIRONMENT if project.environment else "",
    }
