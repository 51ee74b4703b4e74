"""Apache: a second instance starts beside the first, is tried on a port of its own, and then gets
all new connections.

An instance has its own copy of the configuration, its own release and its own daemon processes: no
request meets old and new code.
"""

from __future__ import annotations

import hashlib
import http.client
import time
from functools import partial
from pathlib import Path

from pgstack.ops import drain, listening
from pgstack.planning import services

from . import certificates, listeners, processes, safe, system
from .safe import StackctlError
from .stack import CREDENTIALS, INSTANCES, Stack, other_instance
from .system import UNITS

START_SECONDS = 60
"""a large project imports for some seconds; on a busy machine for longer"""
GENTLE = 15
"""niceness while it starts: what it imports may wait, requests to the other instance may not"""
LEAVE_SECONDS = 1
"""in which a connection arrives that was on its way when another instance was chosen"""
QUIET_SECONDS = 0.3
"""without use of a processor: every process has imported what it needs"""


def unit(stack: Stack, instance: str) -> str:
    """Name of the unit of one instance, `a` or `b`."""
    return services.unit(stack, f"apache@{instance}.service")


def apply(stack: Stack, release: Path | None = None, again: bool = False) -> str:
    """Bring what is wanted and `release` into force, or with `again` replace the processes; returns
    what was done."""
    release = release or current(stack)
    if stack.site.tls != "off":
        certificates.write(stack)
        certificates.forget_staged(stack)
    wanted = system.planned_files(stack.conf / "apache", UNITS / unit(stack, ""))
    wanted["environment"] = environment(stack)
    old = serving(stack)
    if old and not again and (wanted, release) == _in_force(stack, old):
        return "unchanged"
    begun = time.monotonic()
    new = other_instance(old) if old else system.at_boot(partial(unit, stack))
    system.stop(unit(stack, new))
    safe.remove(drain.mark(stack, new))
    system.fill(stack.live(f"apache-{new}"), wanted)
    safe.link(stack.root / f"release-{new}", str(release))
    try:
        if old:
            _choose(stack, old, 0)
        _start_aside(stack, new)
        if old:
            _choose(stack, old, 1)
        if stack.site.tls != "off":
            certificates.forget_staged(stack)
    except StackctlError as error:
        system.stop(unit(stack, new))
        raise StackctlError(
            f"The site does not work with the new configuration: {error}\n{system.what_serves(old)}"
        ) from None
    system.run("systemctl", "enable", unit(stack, new))
    system.run("systemctl", "disable", unit(stack, other_instance(new)))
    if not old:
        return f"started as instance {new}"
    _drain(stack, old)
    return f"instance {new} took over from {old} in {time.monotonic() - begun:.1f} s"


def is_in_force(stack: Stack, release: Path) -> bool:
    """Whether this release is served with what is wanted."""
    wanted = system.planned_files(stack.conf / "apache", UNITS / unit(stack, ""))
    wanted["environment"] = environment(stack)
    serves = serving(stack)
    return serves is not None and (wanted, release) == _in_force(stack, serves)


def serving(stack: Stack) -> str | None:
    """The instance that serves; while one takes over, the one that was enabled last."""
    running = [name for name in INSTANCES if system.active(unit(stack, name))]
    return next(
        (name for name in running if system.enabled(unit(stack, name))),
        running[0] if running else None,
    )


def current(stack: Stack) -> Path:
    """Directory of the release that the host serves. Raises StackctlError when there is none."""
    try:
        return (stack.root / "current").readlink()
    except OSError:
        raise StackctlError("There is no release yet. Run the playbook site.yml.") from None


def renew(stack: Stack) -> str:
    """A new self-signed certificate of the site, which the next `apply` brings into force; returns
    what was done."""
    if stack.front and stack.front.tls == "self-signed":
        certificates.write(stack.model_copy(update={"site": stack.front}), renew=True)
        return "a new certificate of the site was made"
    if stack.site.tls != "self-signed":
        return "nothing: there is no self-signed certificate on this host"
    certificates.write(stack, renew=True)
    return "a new certificate of the site was made"


def environment(stack: Stack) -> bytes:
    """What processes find beside their configuration: environment, secrets, certificate; a sum that
    tells nothing."""
    secrets = Path(stack.paths.secrets)
    folders = (secrets, secrets / CREDENTIALS, Path(stack.paths.tls))
    texts = [
        safe.read(stack.conf / "environment"),
        *(text for at in folders for text in safe.contents(at).values()),
    ]
    return hashlib.sha256(b"".join(texts)).hexdigest().encode()


def _in_force(stack: Stack, instance: str) -> tuple[dict[str, bytes], Path | None]:
    link = stack.root / f"release-{instance}"
    return safe.contents(
        stack.live(f"apache-{instance}")
    ), link.readlink() if link.is_symlink() else None


def start(stack: Stack, instance: str) -> None:
    """Start one that was stopped, and wait until it answers, whatever it answers."""
    system.run("systemctl", "start", unit(stack, instance))
    system.wait(lambda: _listens(stack, instance), START_SECONDS)


def _start_aside(stack: Stack, instance: str) -> None:
    """Start it, without haste, and have it answer. Raises StackctlError."""
    log = Path(stack.paths.log, "apache-error.log")
    since, written = time.time(), system.length(log)
    system.start(unit(stack, instance))
    processes.renice(_process(stack, instance), GENTLE)
    answers = system.wait(
        lambda: system.restarted(unit(stack, instance)) or _listens(stack, instance), START_SECONDS
    )
    if not answers or system.restarted(unit(stack, instance)):
        raise StackctlError(system.complaint(unit(stack, instance), since))
    system.wait(lambda: processes.is_quiet(_process(stack, instance), QUIET_SECONDS), START_SECONDS)
    processes.renice(_process(stack, instance), 0)
    for _ in range(2 * stack.web.processes):
        for path in drain.PAGES:  # several times, for every process
            status = _ask(stack, instance, path)
            if status >= http.client.INTERNAL_SERVER_ERROR:
                raise StackctlError(
                    f"{path} is answered with {status}. {_last_error(log, written)}"
                )


def _choose(stack: Stack, instance: str, place: int) -> None:
    for port in _ports(stack):
        listeners.choose(_process(stack, instance), port, place)


def _ports(stack: Stack) -> list[int]:
    return [port for port in (stack.site.port, stack.site.redirect_port) if port]


def _process(stack: Stack, instance: str) -> int:
    return system.main_process(unit(stack, instance))


def _listens(stack: Stack, instance: str) -> bool:
    try:
        _ask(stack, instance, drain.PAGES[0])
    except OSError:
        return False
    return True


def trouble(stack: Stack, instance: str, seconds: float) -> str:
    """What keeps a page with a query from being answered within so many seconds; empty when it
    is."""
    try:
        status = _ask(stack, instance, drain.READY, seconds)
    except OSError as error:
        return f"{drain.READY}: {error}"
    return "" if status < http.client.BAD_REQUEST else f"{drain.READY} is answered with {status}"


def _ask(stack: Stack, instance: str, path: str, seconds: float = 0) -> int:
    """Status of the answer of one instance, which may take as long as a request may unless
    `seconds` says less."""
    port, host = stack.site.instance_ports[instance], stack.site.hosts[0].lstrip(".")
    connection = http.client.HTTPConnection(
        "127.0.0.1", port, timeout=seconds or stack.web.request_timeout
    )
    try:
        connection.request("GET", path, headers={"Host": host})
        return connection.getresponse().status
    except http.client.HTTPException as error:
        raise OSError(str(error)) from None
    finally:
        connection.close()


def _last_error(log: Path, written: int) -> str:
    """The last thing that the application said of an error."""
    lines = system.since(log, written)
    words = [line.split("] ")[-1] for line in lines if line.strip()]
    errors = [line for line in words if "Error" in line or "rror:" in line or "Exception" in line]
    return f"{log} says: {(errors or words or ['nothing'])[-1]}"


def visitors(stack: Stack) -> int:
    """How many are connected."""
    running = [instance for instance in INSTANCES if system.active(unit(stack, instance))]
    return sum(listening.visitors(_process(stack, instance), set()) for instance in running)


def disable_keepalive(stack: Stack) -> None:
    """Stop keeping connections open: running instances close each one after its answer, until
    `enable_keepalive`."""
    running = [instance for instance in INSTANCES if system.active(unit(stack, instance))]
    marks = [drain.mark(stack, instance) for instance in running]
    for mark in marks:
        safe.write(mark, b"")
    if marks:
        time.sleep(drain.grace(stack))


def enable_keepalive(stack: Stack) -> None:
    """Let clients keep their connections open again, after a drain."""
    for instance in INSTANCES:
        safe.remove(drain.mark(stack, instance))


def _drain(stack: Stack, instance: str) -> None:
    """Close each connection after its answer, wait until idle clients have left or no client is
    connected and nobody waits to be accepted, and end the instance when all requests are
    answered."""
    mark = drain.mark(stack, instance)
    safe.write(mark, b"")
    others = processes.numbers(_process(stack, other_instance(instance)))
    time.sleep(LEAVE_SECONDS)
    system.wait(
        lambda: not listening.visitors(_process(stack, instance), others),
        drain.grace(stack) - LEAVE_SECONDS,
        LEAVE_SECONDS,
    )
    for port in _ports(stack):
        listeners.wait_until_accepted(
            _process(stack, instance), port, stack.apache.graceful_shutdown_timeout
        )
    system.stop(unit(stack, instance))
    safe.remove(mark)
