"""What runs of the Compose stack, whether it answers, how full it is and what to do: exit status 1
when something is wrong. With --json for machines; with --wait nothing is printed as soon as all of
it answers, and after a while what does not.

The engine's own word is older than a server that has just been stopped, so each is asked its health
check now.
"""

import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "app"))
sys.dont_write_bytecode = True

from containers import CHECKOUT, read_plan  # noqa: E402 - the path comes first
from pgstack.metrics import screen  # noqa: E402
from pgstack.ops.terminal import shown  # noqa: E402

ANSWER_SECONDS = 5
PAUSE_SECONDS = 0.5
ENGINE_SECONDS = 30
POSTGRES = "postgres"
CORRUPTED = (
    "--tuples-only",
    "--no-align",
    "--command=SELECT coalesce(sum(checksum_failures), 0) FROM pg_stat_database",
)
"""what it is asked beside its health check"""
FIGURES = ("-m", "pgstack.metrics", "standing")
FIGURES_SECONDS = 10
"""for two looks, a second apart, where no server answers"""
STOPPED = ["sh", "-c", "grep -sl '^State:.T' /proc/[0-9]*/status"]
"""processes that a signal has stopped: the first one's children may answer meanwhile"""


OF_OTHERS = "NOT OURS"
WELL = ("running", "RUNNING", "WAITING", OF_OTHERS)
"""states of what serves, or waits for its time"""

Checks = dict[str, list[str]]
"""the command that each server is asked with"""


@dataclass(frozen=True)
class Server:
    """A service, its container's state, and what is wrong; nothing when it is empty."""

    name: str
    state: str
    trouble: str
    told: str = ""

    @property
    def works(self) -> bool:
        """Whether it runs and answers."""
        return self.state in WELL and not self.trouble


def compose(*words: str, seconds: float = ENGINE_SECONDS) -> subprocess.CompletedProcess[str]:
    """Run `docker compose`; ends this program when the engine does not answer."""
    try:
        command = ["docker", "compose", *words]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds)
    except (OSError, subprocess.TimeoutExpired) as error:
        print(
            f"docker compose {words[0]}: {error}. Is the engine there? `make engine`.",
            file=sys.stderr,
        )
        sys.exit(2)


def containers() -> dict[str, str]:
    """State of each service's container: running, restarting, exited …"""
    done = compose("ps", "--all", "--format", "json")
    if done.returncode:
        print(f"docker compose ps: {done.stderr.strip()}", file=sys.stderr)
        sys.exit(2)
    rows: list[dict[str, Any]] = []
    for line in done.stdout.splitlines():
        answer = json.loads(line)
        rows += answer if isinstance(answer, list) else [answer]  # one list before Compose 2.21
    return {row["Service"]: row["State"] for row in rows}


def configuration() -> dict[str, Any]:
    """What compose.yaml says, with the inputs."""
    said: dict[str, Any] = json.loads(compose("config", "--format", "json").stdout)
    return said


def health_checks(said: dict[str, Any]) -> Checks:
    """The command that each server is asked with, in the order of compose.yaml; of `forward`
    nothing runs while egress is open, and of `valkey` without STACK_VALKEY."""
    checked = {
        name: service["healthcheck"]["test"][1:]
        for name, service in said["services"].items()
        if "healthcheck" in service and service.get("scale", 1)
    }
    text = (CHECKOUT / "compose.yaml").read_text(encoding="utf-8")
    return dict(sorted(checked.items(), key=lambda item: text.index(f"\n  {item[0]}:\n")))


def patience(said: dict[str, Any]) -> int:
    """Seconds after which the engine calls a server unhealthy that has never answered."""
    health = said["x-health"]
    start, pause, limit = (
        int(health[name].removesuffix("s")) for name in ("start_period", "interval", "timeout")
    )
    return start + int(health["retries"]) * (pause + limit)


def ask(name: str, state: str, command: list[str]) -> Server:
    """One server's answer now. `timeout` ends what asks within the container, too."""
    if state != "running":
        return Server(name, state, "")
    bounded = ("exec", "-T", name, "timeout", "--kill-after=1", str(ANSWER_SECONDS))
    halted = [path.split("/")[2] for path in compose(*bounded, *STOPPED).stdout.split()]
    trouble = (
        f"stopped by a signal: process {', '.join(halted)}"
        if halted
        else _complaint(*bounded, *command)
    )
    if name == POSTGRES and not trouble:
        *psql, _ = command
        done = compose(*bounded, *psql, *CORRUPTED)
        corrupted = done.stdout.strip()
        trouble = (
            f"{corrupted} corrupted page reads: restore a backup"
            if corrupted not in ("0", "")
            else ""
        )
    return Server(name, state, trouble)


def ask_all(checks: Checks, states: dict[str, str], threads: ThreadPoolExecutor) -> list[Server]:
    """Their answers, asked at the same time; `states` of their containers."""
    return list(
        threads.map(lambda name: ask(name, states.get(name, "missing"), checks[name]), checks)
    )


def _complaint(*words: str) -> str:
    done = compose(*words)
    if done.returncode in (124, 137):
        return f"no answer within {ANSWER_SECONDS} s"
    lines = (done.stderr.strip() or done.stdout.strip()).splitlines() or [
        f"status {done.returncode}"
    ]
    return lines[0] if done.returncode else ""


def _place() -> str:
    """Of an external PostgreSQL."""
    done = compose("exec", "-T", "pgbouncer", "cat", "/etc/stack/plan.json")
    if not done.stdout:
        return "unknown:"
    place = read_plan(done.stdout).postgres
    return f"{place.host}:{place.port}"


def _scheduled(state: str) -> list[Server]:
    """What runs at set times."""
    if state != "running":
        return []
    bounded = ("exec", "-T", "background", "timeout", "--kill-after=1", str(ENGINE_SECONDS))
    done = compose(*bounded, "python", "-m", "pgstack.targets.schedule", seconds=2 * ENGINE_SECONDS)
    rows = [line.split("  ", 2) for line in done.stdout.splitlines()]
    entries = [
        Server(name, word, "" if word in WELL else text, text if word in WELL else "")
        for name, word, text in rows
    ]
    failed = done.returncode and all(server.works for server in entries)
    return [*entries, Server("schedule", "unknown", done.stderr.strip())] if failed else entries


def figures() -> dict[str, Any]:
    """How full it is: of the exporter's container, else of one that is made for it; nothing where
    neither says."""
    limit = ("timeout", "--kill-after=1", str(FIGURES_SECONDS), "python", *FIGURES)
    once = ("run", "--rm", "--no-deps", "--no-TTY", "--entrypoint=timeout", "manage", *limit[1:])
    for words in (("exec", "-T", "metrics", *limit), once):
        done = compose(*words)
        if not done.returncode:
            answer: dict[str, Any] = json.loads(done.stdout)
            return answer
    return {}


def report() -> screen.Report:
    """Everything, asked at the same time."""
    states, checks = containers(), health_checks(configuration())
    with ThreadPoolExecutor(len(checks) + 2) as threads:
        full = threads.submit(figures if states else dict)
        scheduled = threads.submit(_scheduled, states.get("background", "missing"))
        servers = ask_all(checks, states, threads)
        if POSTGRES not in checks:
            servers.append(Server("database", OF_OTHERS, "", _place()))
        servers += scheduled.result()
        rows = [{**asdict(server), "works": server.works} for server in servers]
        return screen.report({"target": "compose"}, rows, full.result())


def wait() -> None:
    """Until each server answers; the engine would look at some half a minute after their start.
    Ends this program with what does not answer in time."""
    said = configuration()
    checks, deadline = health_checks(said), time.monotonic() + patience(said)
    while True:
        with ThreadPoolExecutor(len(checks)) as threads:
            servers = ask_all(checks, containers(), threads)
        waited = [server for server in servers if not server.works]
        if not waited:
            return
        if time.monotonic() > deadline:
            sys.exit("\n".join(shown(f"{it.name}: {it.state} {it.trouble}") for it in waited))
        checks = {server.name: checks[server.name] for server in waited}
        time.sleep(PAUSE_SECONDS)


def main() -> None:
    """Print a line for each server, in starting order, and how full each part is."""
    if "--wait" in sys.argv:
        wait()
        return
    status = report()
    for line in [json.dumps(status, indent=1)] if "--json" in sys.argv else screen.lines(status):
        print(shown(line))
    if not status["ok"]:
        sys.exit(1)


if __name__ == "__main__":
    main()
