"""Another web container takes over from the one that serves (docs/compose.md).

Both share the network of `port`, and listen on the site's port with SO_REUSEPORT. The kernel gives
every connection to the old one until the new one has answered on a port of its own, and to the new
one from then on; the old one closes each connection after its answer, and ends with the last.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from subprocess import CompletedProcess

import compose_failure
import containers
from containers import Container
from debian import ToolError, say
from pgstack.ops import drain

START_SECONDS = 60
"""a large project imports for some seconds; on a busy machine for longer"""
LEAVE_SECONDS = 1
"""in which a connection arrives that was on its way when the other one was chosen"""
APACHE = 1
OLD, NEW = 0, 1
"""places of those that listen"""
HEALTHCHECK = "healthcheck.py"
LISTENING = "pgstack.ops.listening"


def serving() -> Container:
    """The web container that serves. What a command that was killed left beside it is removed.

    Raises ToolError where none runs.
    """
    kept = containers.only_container("web")
    running = containers.running("web")
    if len(running) > 1:
        old, new = running[0], running[-1]
        kept, ended = (new, old) if _is_replaced(old) else (old, new)
        say(f"removed   web {ended.id[:12]}, which a command that was cut off had left")
        _choose(kept, NEW if kept is new else OLD)
        containers.end(ended)
        containers.let_work(kept)
    _enable_keepalive(kept)
    return kept


def take_over(old: Container) -> None:
    """Replace `old` by a container of the current image and inputs.

    Raises ToolError, with `old` serving as before.
    """
    begun = time.monotonic()
    _choose(old, OLD)
    try:
        _disable_keepalive(old)
        told = time.monotonic()
        new = containers.start_second("web", old)
        _require_answers(new)
        _disable_keepalive(new)
        containers.let_work(new)
        _require_oldest(old)
        _choose(old, NEW)
    except BaseException:
        containers.remove_others("web", old)
        _enable_keepalive(old)
        raise
    _say_replaced(old)
    # Clients have been told since then; whom it accepted last needs a moment.
    time.sleep(max(LEAVE_SECONDS, _grace() - (time.monotonic() - told)))
    _wait_until_accepted(old)
    containers.end(old)
    _enable_keepalive(new)
    say(f"replaced  web, in {time.monotonic() - begun:.1f} s")


@contextmanager
def no_keepalive(web: Container) -> Iterator[None]:
    """Within it Apache keeps no connection open: it would close them under a request while its
    workers all wait."""
    mark = _mark()
    _disable_keepalive(web)
    time.sleep(_grace())
    try:
        yield
    finally:
        containers.execute(web.id, "rm", "--force", mark)  # it may have been replaced


def _choose(web: Container, place: int) -> None:
    """Give new connections to the one that listens at `place`. Raises ToolError."""
    done = _listening(web, "choose", place)
    if done.returncode:
        raise ToolError(
            "the kernel does not let it be chosen who is given new connections: "
            f"{containers.last_words(containers.output_of(done))}. It takes Linux 5.6."
        )


def _wait_until_accepted(web: Container) -> None:
    """Wait until nobody is in its queue: who is when it ends is not answered."""
    _listening(web, "wait", containers.plan().apache.graceful_shutdown_timeout)


def _listening(web: Container, command: str, value: int) -> CompletedProcess[bytes]:
    """Run a command on the site's port within a web container."""
    port = str(containers.plan().site.port)
    # Nothing of it stays. What it is allowed is to read who listens in that container, and to
    # borrow the socket; the image is the one without the project.
    allowed = ("--cap-drop=ALL", "--cap-add=SYS_PTRACE", "--cap-add=DAC_READ_SEARCH", "--user=0")
    base = f"{web.named.removesuffix('-web')}-base"
    return containers.run(
        *("run", "--rm", "--read-only", "--security-opt=no-new-privileges", *allowed),
        *(f"--pid=container:{web.id}", f"--network=container:{web.id}", "--entrypoint=python"),
        *(base, "-m", LISTENING, command, str(APACHE), port, str(value)),
    )


def _require_answers(web: Container) -> None:
    """Wait until it answers /readyz and the front page on its own port. Raises ToolError."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        done = containers.execute(web.id, HEALTHCHECK)
        if done.returncode == 0:
            return
        told = containers.output_of(done).strip()
        if told.startswith("/: status") or time.monotonic() > deadline or not containers.runs(web):
            logs = containers.output_of(containers.run("logs", "--tail=200", web.id))
            raise ToolError(compose_failure.last_reason("web", logs) or f"the new web: {told}")
        time.sleep(containers.POLL_SECONDS)


def _require_oldest(old: Container) -> None:
    """Raise ToolError where another listens at its place by now."""
    if containers.only_container("web").started != old.started:
        raise ToolError("the serving web container was restarted meanwhile. Try again.")


def _mark() -> str:
    """File that makes it close each connection after its answer; empty until it is replaced."""
    # Each container has a place of its own under the same name.
    plan = containers.plan()
    return str(drain.mark(plan, min(plan.paths.drain)))


def _grace() -> float:
    """Seconds after which no kept-alive connection is open any more."""
    return drain.grace(containers.plan())


def _disable_keepalive(web: Container) -> None:
    """Close connections after each answer: while its workers are all busy, it would drop kept-alive
    connections with a request in flight."""
    containers.require("exec", web.id, "touch", _mark())


def _enable_keepalive(web: Container) -> None:
    containers.execute(web.id, "rm", "--force", _mark())


def _say_replaced(web: Container) -> None:
    containers.require("exec", web.id, "sh", "-c", 'echo replaced > "$0"', _mark())


def _is_replaced(web: Container) -> bool:
    return containers.execute(web.id, "test", "-s", _mark()).returncode == 0
