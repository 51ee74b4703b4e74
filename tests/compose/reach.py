"""What a container of the stack reaches, tried from within it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from compose_stack import ComposeStack

_CONNECT = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=1).close()
    print("reached")
except ConnectionRefusedError:
    print("refused")
except OSError:
    print("nobody")
"""
LOOK_UP = """
import socket, time
began = time.monotonic()
try:
    print(socket.getaddrinfo("outside.invalid", 80))
except socket.gaierror:
    print("unknown" if time.monotonic() - began < 0.5 else "slow")
"""
"""looks up a name that nobody has"""
ASK_ENGINE = """
import socket
def udp():
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.settimeout(3)
    return made
listener, client = udp(), udp()
listener.bind(("127.0.0.1", 53))
question = b"\\x07outside\\x07invalid\\x00\\x00\\x01\\x00\\x01"
client.sendto(b"\\x12\\x34\\x01\\x00\\x00\\x01" + bytes(6) + question, ("127.0.0.11", 53))
try:
    print(listener.recv(512)[12:] == question)
except TimeoutError:
    print("asked somebody else")
"""
"""asks the engine's own resolver, and is whom that asks on"""


def reached(stack: ComposeStack, service: str, *place: str) -> str:
    """`reached`, `refused` by whoever is there, or `nobody`."""
    return stack.execute(service, "python", "-c", _CONNECT, *place).stdout.strip()


def gateway(stack: ComposeStack, network: str) -> str:
    """Address of this machine on a network of the project's."""
    form = "{{(index .IPAM.Config 0).Gateway}}"
    command = ("docker", "network", "inspect", f"--format={form}")
    return stack.run(*command, f"{stack.project}_{network}").stdout.strip()


def address(stack: ComposeStack, service: str, network: str) -> str:
    """Address of a container on a network of the project's."""
    networks = stack.inspect(service)["NetworkSettings"]["Networks"]
    return str(networks[f"{stack.project}_{network}"]["IPAddress"])


@contextmanager
def listener(stack: ComposeStack) -> Iterator[tuple[str, str]]:
    """Address and port of this machine on the project's own network."""
    place = gateway(stack, "default")
    with socket.create_server((place, 0)) as server:
        yield place, str(server.getsockname()[1])
