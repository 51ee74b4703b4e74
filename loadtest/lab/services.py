"""The servers that strategies put together: PostgreSQL, PgBouncer in each mode, Pgpool-II,
MariaDB."""

from __future__ import annotations

import json
import subprocess
from contextlib import suppress
from pathlib import Path
from signal import SIGINT, SIGQUIT

from loadtest.lab.server import LabStack, Server, Service
from pgstack.errors import ProbeError
from pgstack.live.probes import valkey as probe
from pgstack.ops.postgres import psql
from pgstack.planning import services as planned
from pgstack.planning.plan import Plan
from pgstack.rendering import templates

LOGIN = "loadtest"  # not `app`: each start of a stack takes passwords away from its own roles
LOGIN_FILE = "loadtest.json"
PORT_PGPOOL, PORT_MARIADB = 9999, 3306


def login(plan: Plan) -> dict[str, str]:
    """Host, user and password for PostgreSQL over TCP."""
    credentials: dict[str, str] = json.loads(Path(plan.paths.secrets, LOGIN_FILE).read_text())
    return credentials


def encoded(login: dict[str, str]) -> str:
    """A login as the text of LOGIN_FILE."""
    return json.dumps(login) + "\n"


def postgres(lab_stack: LabStack) -> Server:
    """PostgreSQL as planned, on its socket."""
    return _postgres(lab_stack)


def postgres_tcp(lab_stack: LabStack) -> Server:
    """The same, listening on a loopback address as Debian sets it up: TLS, and SCRAM for the
    login."""
    plan = lab_stack.plan
    rules = Path(plan.paths.conf, "postgres/pg_hba.conf").read_text()
    rules += f"hostssl {plan.postgres.database} {LOGIN} 127.0.0.0/8 scram-sha-256\n"
    return _postgres(
        lab_stack,
        listen_addresses=login(plan)["host"],
        ssl="on",
        hba_file=str(lab_stack.write("tcp_hba.conf", rules)),
        ssl_cert_file=f"{plan.paths.data}/loadtest.crt",
        ssl_key_file=f"{plan.paths.data}/loadtest.key",
    )


def postgres_with(**settings: str) -> Service:
    """PostgreSQL as planned but for `settings`."""
    return lambda lab_stack: _postgres(lab_stack, **settings)


def _postgres(lab_stack: LabStack, **settings: str) -> Server:
    plan = lab_stack.plan
    options = [f"--{name}={value}" for name, value in settings.items()]
    return Server(
        "postgres",
        "database",
        (*planned.POSTGRES.words(plan), *options),
        lambda: _selects(plan.paths.run_postgres, plan.postgres.port, plan),
        SIGINT,
    )


def valkey(lab_stack: LabStack) -> Server:
    """Valkey as planned, for projects that have it."""
    return Server(
        "valkey",
        "cache",
        planned.VALKEY.words(lab_stack.plan),
        lambda: _responds(lab_stack.plan),
    )


def pgbouncer(mode: str, **settings: str) -> Service:
    """PgBouncer as planned but for its pool mode and `settings`."""

    def service(lab_stack: LabStack) -> Server:
        plan = lab_stack.plan
        lines = {**plan.pooler.settings, "pool_mode": mode, **settings}
        if mode == "session":  # a client keeps its backend, so there must be one for each
            lines |= {
                "default_pool_size": str(lab_stack.requests),
                "max_db_connections": str(lab_stack.requests + 1),
            }
        changed = plan.model_copy(
            update={"pooler": plan.pooler.model_copy(update={"settings": lines})}
        )
        template = templates.environment().get_template("pgbouncer/pgbouncer.ini.j2")
        text = template.render(stack=changed, own=None)
        path = lab_stack.write("pgbouncer.ini", text)
        return Server(
            "pgbouncer",
            "pooler",
            planned.PGBOUNCER.words(plan, path),
            lambda: _selects(plan.paths.run_pooler, plan.pooler.port, plan, plan.pooler.web_login),
            SIGQUIT,
        )

    return service


def pgpool(lab_stack: LabStack) -> Server:
    """Pgpool-II as a connection cache: one child for each client, one cached connection in each
    child."""
    plan = lab_stack.plan
    sockets = lab_stack.empty("pgpool")
    children = lab_stack.requests + 4  # the check whether it answers, and a spare
    settings = _pgpool_settings(plan, sockets, children)
    text = "".join(f"{name} = {value}\n" for name, value in settings.items())
    path = lab_stack.write("pgpool.conf", text)
    hba, pcp = lab_stack.write("pool_hba.conf", ""), lab_stack.write("pcp.conf", "")
    return Server(
        "pgpool",
        "pooler",
        ("/usr/sbin/pgpool", "-n", "-f", str(path), "-a", str(hba), "-F", str(pcp)),
        lambda: _selects(str(sockets), PORT_PGPOOL, plan),
        SIGINT,
    )


def _pgpool_settings(plan: Plan, sockets: Path, children: int) -> dict[str, object]:
    return {
        "backend_clustering_mode": "'raw'",
        "backend_hostname0": f"'{plan.paths.run_postgres}'",
        "backend_port0": plan.postgres.port,
        "backend_weight0": 1,
        "listen_addresses": "''",
        "port": PORT_PGPOOL,
        # Pgpool-II 4.3 knows the first, 4.6 the second; neither minds the other.
        "socket_dir": f"'{sockets}'",
        "unix_socket_directories": f"'{sockets}'",
        "pcp_listen_addresses": "''",
        "pcp_socket_dir": f"'{sockets}'",
        "logdir": f"'{sockets}'",
        "pid_file_name": f"'{sockets}/pgpool.pid'",
        "work_dir": f"'{sockets}'",
        "num_init_children": children,
        "max_pool": 1,
        "connection_cache": "on",
        "child_life_time": 0,
        "connection_life_time": 0,
        "load_balance_mode": "off",
        "memory_cache_enabled": "off",
        "enable_pool_hba": "off",
        "health_check_period": 0,
        "check_temp_table": "none",
        "check_unlogged_table": "off",
    }


def mariadb(lab_stack: LabStack) -> Server:
    """MariaDB on a socket of its own, with as much buffer as PostgreSQL has and the same
    durability."""
    directory, data = lab_stack.folder("mariadb"), lab_stack.directory / "lab/mariadb/data"
    socket = directory / "mariadb.sock"
    buffers = lab_stack.plan.postgres.settings["shared_buffers"].removesuffix("B")
    options = [
        f"--datadir={data}",
        f"--socket={socket}",
        "--skip-networking",
        f"--innodb-buffer-pool-size={buffers}",
        f"--max-connections={lab_stack.plan.postgres.max_connections}",
        f"--pid-file={directory}/mariadb.pid",
        "--innodb-flush-log-at-trx-commit=1",
        "--character-set-server=utf8mb4",
        "--skip-log-bin",
        "--skip-name-resolve",
    ]
    command = ("/usr/sbin/mariadbd", "--no-defaults", *options)
    return Server("mariadb", "database", command, lambda: _pings(socket))


def _selects(directory: str, port: int, plan: Plan, user: str | None = None) -> bool:
    """Whether a query through this socket comes back."""
    place = directory, port, plan.postgres.database
    command = psql(*place, "--command=SELECT 1", user=user or plan.roles.app)
    return subprocess.run(command, capture_output=True, check=False, timeout=10).returncode == 0


def _responds(plan: Plan) -> bool:
    with suppress(ProbeError):
        return bool(plan.valkey and probe.info(plan.valkey).get("loading") == "0")
    return False


def _pings(socket: Path) -> bool:
    command = ["/usr/bin/mariadb-admin", "--no-defaults", f"--socket={socket}", "ping"]
    return subprocess.run(command, capture_output=True, check=False, timeout=10).returncode == 0
