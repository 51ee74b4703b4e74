"""Lets packets that the kernel hands over (NFQUEUE) go on after a while: `late_packets.py SECONDS
QUEUE`. For kernels without netem.

Messages are those of linux/netfilter/nfnetlink_queue.h.
"""

from __future__ import annotations

import heapq
import select
import socket
import struct
import sys
import time

NETLINK_NETFILTER = 12
PACKET, VERDICT, CONFIG = 0x300, 0x301, 0x302
REQUEST, ACKNOWLEDGE = 1, 4
COMMAND, PARAMETERS, LENGTH, VERDICT_HEADER = 1, 2, 3, 2
BIND, COPY_METADATA, ACCEPT = 1, 1, 1
MOST_PACKETS = 65536
HEADERS = 24
"""bytes before a packet's number: of the message, of netfilter, of the attribute"""


def message(kind: int, flags: int, queue: int, attribute: int, value: bytes) -> bytes:
    """One with one attribute."""
    body = struct.pack("=BBH", 0, 0, socket.htons(queue))
    body += struct.pack("=HH", 4 + len(value), attribute) + value
    body += bytes(-len(body) % 4)
    return struct.pack("=IHHII", 16 + len(body), kind, flags, 0, 0) + body


def opened(queue: int) -> socket.socket:
    """Where the kernel hands packets over. Raises OSError."""
    wire = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
    wire.bind((0, 0))
    for attribute, value in (
        (COMMAND, struct.pack("!BBH", BIND, 0, 0)),
        (PARAMETERS, struct.pack("!IB", 0, COPY_METADATA)),
        (LENGTH, struct.pack("!I", MOST_PACKETS)),
    ):
        wire.send(message(CONFIG, REQUEST | ACKNOWLEDGE, queue, attribute, value))
        (error,) = struct.unpack_from("=i", wire.recv(65536), 16)
        if error:
            raise OSError(-error, "the kernel hands no packets over")
    return wire


def numbers(data: bytes) -> list[int]:
    """Of the packets in what was read."""
    at, packets = 0, []
    while at < len(data):
        length, kind = struct.unpack_from("=IH", data, at)
        if kind == PACKET:
            packets.append(struct.unpack_from("!I", data, at + HEADERS)[0])
        at += (length + 3) // 4 * 4
    return packets


def main(seconds: float, queue: int) -> None:
    """Until it is killed."""
    wire = opened(queue)
    print("ready", flush=True)
    waiting: list[tuple[float, int]] = []
    while True:
        left = max(0.0, waiting[0][0] - time.monotonic()) if waiting else None
        if select.select([wire], [], [], left)[0]:
            due = time.monotonic() + seconds
            for number in numbers(wire.recv(1 << 20)):
                heapq.heappush(waiting, (due, number))
        while waiting and waiting[0][0] <= time.monotonic():
            _, number = heapq.heappop(waiting)
            verdict = struct.pack("!II", ACCEPT, number)
            wire.send(message(VERDICT, REQUEST, queue, VERDICT_HEADER, verdict))


if __name__ == "__main__":
    main(float(sys.argv[1]), int(sys.argv[2]))
