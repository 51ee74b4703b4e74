"""The Apache in front of all sites of a host: this site's part of it, and an instance that takes
over from the other when that has changed.

It belongs to no site. Each writes one file and one certificate there; a part that does not work is
taken back, and the others are served on as before.
"""

from __future__ import annotations

import hashlib
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pgstack.planning.apache import Site
from pgstack.planning.host_services import FRONT_CONF
from pgstack.planning.sizing.sites import FRONT_PORTS

from . import certificates, listeners, safe, system
from .safe import StackctlError
from .stack import INSTANCES, Stack, other_instance
from .system import UNITS

CONF = Path(FRONT_CONF)
RUN = Path("/run/sites-front")
BASE, SITES, APPLIED = CONF / "apache2.conf", CONF / "sites", CONF / "applied"
"""`applied`: sums of all that the instance that serves has read"""
UNKNOWN = "unknown"
"""directory of the certificate that names get which no site has"""
START_SECONDS = 20
DRAIN_SECONDS = 6
"""its KeepAliveTimeout and one more (front.conf)"""
ACCEPT_SECONDS = 60
"""its GracefulShutdownTimeout (front.conf)"""


def unit(instance: str) -> str:
    """Name of the unit of one instance, `a` or `b`."""
    return f"sites-front@{instance}.service"


def apply(stack: Stack, again: bool = False) -> str:
    """Bring this site's part into force, or with `again` replace the process; returns what was
    done."""
    site = require(stack)
    with system.exclusive_lock(RUN):
        _certify(stack, site)
        own = SITES / f"{stack.names.prefix}.conf"
        before = safe.read(own) if own.exists() else None
        safe.write(own, safe.read(stack.conf / "front/site.conf"))
        try:
            return _serve(again)
        except StackctlError as error:
            _put_back(own, before)
            raise StackctlError(
                f"The Apache in front does not work with this site's part: {error}\n"
                "All sites are served as before."
            ) from None


def leave(stack: Stack) -> str:
    """Take this site's part away; without any other site nothing runs any more."""
    with system.exclusive_lock(RUN):
        safe.remove(SITES / f"{stack.names.prefix}.conf")
        safe.remove(CONF / "tls" / stack.names.prefix)
        if any(SITES.glob("*.conf")):
            return _serve(again=False)
        for instance in INSTANCES:
            system.run("systemctl", "disable", "--now", unit(instance))
        return "was the last site: nothing is in front any more"


def require(stack: Stack) -> Site:
    """What it answers for this site. Raises StackctlError where the site answers itself."""
    if stack.front is None:
        raise StackctlError("front: this host has one site, which answers itself.")
    return stack.front


def serving() -> str | None:
    """The instance that serves; while one takes over, the one that was enabled last."""
    running = [name for name in INSTANCES if system.active(unit(name))]
    enabled = (name for name in running if system.enabled(unit(name)))
    return next(enabled, running[0] if running else None)


def _certify(stack: Stack, site: Site) -> None:
    """This site's certificate, and one for names that no site has."""
    folder = CONF / "tls" / UNKNOWN
    nobody = site.model_copy(
        update={
            "hosts": ("unknown.invalid",),
            "tls": "self-signed",
            "tls_certificate": f"{folder}/certificate.pem",
            "tls_key": f"{folder}/key.pem",
        }
    )
    for part in (nobody, site):
        safe.make_directory(Path(part.tls_certificate).parent, 0o700)
        certificates.write(stack.model_copy(update={"site": part}))


def _put_back(file: Path, text: bytes | None) -> None:
    if text is None:
        safe.remove(file)
    else:
        safe.write(file, text)


def _sums_of_files() -> dict[str, bytes]:
    """All that it reads, by a name for each file: sums that tell nothing, for there are keys."""
    files = [BASE, UNITS / unit(""), *SITES.glob("*.conf"), *(CONF / "tls").glob("*/*.pem")]
    return {
        str(path).strip("/").replace("/", "_"): hashlib.sha256(safe.read(path)).hexdigest().encode()
        for path in files
    }


def _serve(again: bool) -> str:
    wanted, old = _sums_of_files(), serving()
    if old and not again and APPLIED.is_dir() and wanted == safe.contents(APPLIED):
        return "unchanged"
    _try(old)
    begun = time.monotonic()
    new = other_instance(old) if old else system.at_boot(unit)
    system.stop(unit(new))
    safe.remove(_mark(new))
    with _chosen(old):
        system.start(unit(new))
        if not system.wait(lambda: system.restarted(unit(new)) or _listens(new), START_SECONDS):
            system.stop(unit(new))
            raise StackctlError(f"instance {new} does not answer in {START_SECONDS} s")
        if system.restarted(unit(new)):
            said = system.complaint(unit(new), time.time() - START_SECONDS)
            system.stop(unit(new))
            raise StackctlError(said)
    system.run("systemctl", "enable", unit(new))
    system.run("systemctl", "disable", unit(other_instance(new)))
    system.fill(APPLIED, wanted)
    if not old:
        return f"started as instance {new}"
    _drain(old)
    return f"instance {new} took over from {old} in {time.monotonic() - begun:.1f} s"


def _try(old: str | None) -> None:
    """Check all of it with Apache's own parser. Raises StackctlError with the line."""
    instance = other_instance(old) if old else INSTANCES[0]
    words = ("/usr/sbin/apache2", "-t", f"-D{instance}", "-f", str(BASE))
    done = system.run(*words)
    if done.returncode:
        raise StackctlError(" ".join(done.stderr.strip().splitlines()[:2]))


@contextmanager
def _chosen(old: str | None) -> Iterator[None]:
    """New connections go to `old` until what is within has ended well, then to the other."""
    if old:
        _choose(old, 0)
    yield
    if old:
        _choose(old, 1)


def _choose(instance: str, place: int) -> None:
    for port in _ports():
        listeners.choose(system.main_process(unit(instance)), port, place)


def _ports() -> list[int]:
    """Of what the base configuration listens at for everybody."""
    lines = safe.read(BASE).decode().splitlines()
    words = [line.split() for line in lines if line.startswith("Listen ")]
    return [int(address.rpartition(":")[2]) for _, address, _ in words]


def _listens(instance: str) -> bool:
    try:
        socket.create_connection(("127.0.0.1", FRONT_PORTS[instance]), timeout=1).close()
    except OSError:
        return False
    return True


def _mark(instance: str) -> Path:
    return RUN / f"{instance}.drain"


def _drain(instance: str) -> None:
    """Ask its clients to come again, and end it when all requests are answered."""
    safe.write(_mark(instance), b"")
    time.sleep(DRAIN_SECONDS)
    for port in _ports():
        listeners.wait_until_accepted(system.main_process(unit(instance)), port, ACCEPT_SECONDS)
    system.stop(unit(instance))
    safe.remove(_mark(instance))
