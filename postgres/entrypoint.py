#!/usr/bin/python3
"""Entry point of the PostgreSQL container.

Creates the cluster once, applies the roles on a socket that nobody else sees, and then becomes the
server, so that no client meets a server without its roles. Needs only python3-minimal.
"""

import fcntl
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from signal import SIGINT

PLAN = Path(os.environ.get("STACK_PLAN", "/etc/stack/plan.json"))
CLUSTER = "main"
PRIVATE_SOCKETS = "/tmp"  # noqa: S108 - the container's own tmpfs
POLL_SECONDS = 0.1


class StartError(Exception):
    """What cannot be done, why, and the remedy."""


def read_plan() -> dict[str, dict[str, object]]:
    """Return the plan as a dictionary."""
    try:
        plan: dict[str, dict[str, object]] = json.loads(PLAN.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StartError(f"{PLAN}: {error}. Run the service `configure` first.") from error
    return plan


def lock(volume: Path) -> None:
    """Keep every other container away from this data until the server has ended.

    The number in postmaster.pid says nothing across containers, and pg_ctlcluster removes a pid
    file whose process it cannot see. The lock is inherited by the server and ends with its last
    process.
    """
    handle = os.open(volume / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise StartError(
            f"{volume} is in use by another PostgreSQL container. Stop that one first."
        ) from error
    os.set_inheritable(handle, True)


def require_rows(data: Path, version: str) -> None:
    """Refuse what would serve an empty database beside the rows of another version, or some of
    them."""
    if (data.parent / "upgrading").exists():
        raise StartError(
            f"the upgrade to PostgreSQL {version} was cut off, and has not all rows. Start the "
            "stack with the code of before, whose data is as it was, and run `make upgrade` again."
        )
    others = sorted(path.parts[-3] for path in data.parents[1].glob(f"*/{CLUSTER}/PG_VERSION"))
    if others and version not in others:
        raise StartError(
            f"the volume holds the data of PostgreSQL {' and '.join(others)}, which {version} "
            "cannot read; nothing was changed. Start the stack with the code of before (`make "
            "up`), and run `make upgrade` with this one (docs/upgrades.md)."
        )


def create_cluster(volume: Path, version: str, data: Path, drop_in: Path) -> None:
    """Create the cluster when there is none, and clear away what a creation that was cut off
    left."""
    configuration = Path(os.environ["PG_CLUSTER_CONF_ROOT"], version, CLUSTER)
    unfinished = volume / f"creating-{version}"
    if unfinished.exists():
        _run("rm", "--recursive", "--force", str(data), str(configuration))
    elif configuration.exists():
        return
    unfinished.touch()
    _run("pg_createcluster", f"--datadir={data}", version, CLUSTER)
    (configuration / "conf.d" / drop_in.name).symlink_to(drop_in)
    unfinished.unlink()


def apply_roles(version: str, port: str, script: Path) -> None:
    """Run ``script`` as the administrator on a server that listens on a private socket only."""
    options = f"--options=-c unix_socket_directories={PRIVATE_SOCKETS}"
    psql = [
        "psql",
        "--no-psqlrc",
        "--quiet",
        f"--host={PRIVATE_SOCKETS}",
        f"--port={port}",
        "--dbname=postgres",
    ]
    server = subprocess.Popen([*_server(version), options])
    try:
        while (
            subprocess.run(
                [*psql, "--command=SELECT"], stderr=subprocess.DEVNULL, check=False
            ).returncode
            != 0
        ):
            if server.poll() is not None:
                raise StartError("PostgreSQL did not start; its messages stand above.")
            time.sleep(POLL_SECONDS)
        _run(*psql, "--set=ON_ERROR_STOP=1", f"--file={script}")
    finally:
        server.send_signal(SIGINT)
        server.wait()


def _server(version: str) -> list[str]:
    return ["pg_ctlcluster", version, CLUSTER, "start", "--foreground"]


def _run(*command: str) -> None:
    try:
        subprocess.run(command, check=True)
    except subprocess.CalledProcessError as error:
        raise StartError(
            f"{command[0]} failed with status {error.returncode}; its message stands above."
        ) from error


def main() -> None:
    """Prepare, then become the server."""
    plan = read_plan()
    version = str(plan["versions"]["postgresql"])
    rendered = Path(str(plan["paths"]["conf"]), "postgres")
    data = Path(str(plan["paths"]["data"]))
    volume = data.parents[1]
    lock(volume)
    require_rows(data, version)
    create_cluster(volume, version, data, rendered / "pgstack.conf")
    apply_roles(version, str(plan["postgres"]["port"]), rendered / "roles.sql")
    command = _server(version)
    os.execvp(command[0], command)  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    try:
        main()
    except StartError as error:
        sys.exit(f"entrypoint: {error}")
    except KeyboardInterrupt:
        sys.exit(0)
