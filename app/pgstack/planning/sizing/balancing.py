"""Balancers: HAProxy and keepalived. Sources: their manuals, and drills (docs/cluster.md)."""

from __future__ import annotations

import ipaddress

from pgstack.planning.balancing import Balancing
from pgstack.planning.sizing import timeouts
from pgstack.planning.sizing.basis import Basis, Reasons
from pgstack.planning.sizing.scale import KB, MB
from pgstack.planning.sizing.timeouts import seconds

CONNECT_SECONDS = 1.0
"""to a host of the same network: a connection takes a millisecond, and one retransmission of its
first packet a second"""
INTER_SECONDS = 0.5
FALL, RISE = 2, 2
CHECK_MARGIN_SECONDS = 2
"""a page that waits for a backend is answered when query_wait_timeout ends: a host whose requests
are held back, as while another member begins to lead, is not lost"""
PROBE_SECONDS, PROBES = 1, 3
"""a connection to a lost host that owes an answer ends in 4 s, and two lost packets in a row end
none"""
IDLE_MARGIN_SECONDS = 10
"""Apache closes a connection first, and says so"""
ADVERT_SECONDS = 0.5
"""three of them are missed before another takes the address"""
STICK_SECONDS = 600
"""a browser has long fetched what a page names"""
CONNECTION_BYTES = 40 * KB
"""two buffers of 16 kB, and what HAProxy and the kernel know of both sides"""
FIRST_BYTES = 64 * MB
"""HAProxy without connections and keepalived, twice while one HAProxy takes over from another"""
MEMORY_DIVISOR, MOST_CONNECTIONS = 4, 16384
"""part of memory that connections may take; a balancer of 4 GB has the most"""
FILES, SPARE_FILES = 2, 100
"""open files of a connection, and those for looks and logs; HAProxy does not start without them"""
LAST_ROUTER = 255
"""of VRRP"""


def balancing(basis: Basis) -> tuple[Balancing | None, Reasons]:
    """The balancers as planned, on one of them and on the web hosts behind; None where there is
    none."""
    config = basis.config
    if not config.balancers or config.balancer_address is None:
        return None, {}
    timeout, address = config.request_timeout, config.balancer_address
    wait = seconds(timeout, timeouts.WAIT)
    planned = Balancing(
        address=address,
        members=config.balancers,
        member=config.balancer or "",
        servers=config.web_servers,
        run=f"{basis.paths.run}/haproxy",
        router=int(ipaddress.IPv4Address(address)) % 256 or LAST_ROUTER,
        connections=_connections(basis.scale.memory, basis.hardware.open_files),
        connect=CONNECT_SECONDS,
        inter=INTER_SECONDS,
        fall=FALL,
        rise=RISE,
        check=wait + CHECK_MARGIN_SECONDS,
        probe=PROBE_SECONDS,
        probes=PROBES,
        idle=seconds(timeout, timeouts.CLIENT) + IDLE_MARGIN_SECONDS,
        advert=ADVERT_SECONDS,
        stick=STICK_SECONDS,
    )
    return planned, {
        "balancing.check": f"{timeouts.text(timeout, timeouts.WAIT)} + {CHECK_MARGIN_SECONDS} s: "
        "a web host whose requests are held back is not lost",
        "balancing.idle": f"{timeouts.text(timeout, timeouts.CLIENT)} + {IDLE_MARGIN_SECONDS} s: "
        "Apache closes a connection first",
        "balancing.connections": f"1/{MEMORY_DIVISOR} of memory / {CONNECTION_BYTES // KB} kB, up "
        f"to {MOST_CONNECTIONS}, and to what open files allow",
    }


def _connections(memory: int, open_files: int | None) -> int:
    files = [] if open_files is None else [(open_files - SPARE_FILES) // FILES]
    return min(MOST_CONNECTIONS, memory // MEMORY_DIVISOR // CONNECTION_BYTES, *files)


def balancing_bytes(part: Balancing | None) -> int:
    """Memory of a balancer, in bytes."""
    if part is None or not part.member:
        return 0
    return FIRST_BYTES + part.connections * CONNECTION_BYTES
