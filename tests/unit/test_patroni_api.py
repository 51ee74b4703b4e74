"""Patroni's REST API as it is asked of a member that answers, refuses or stalls, over TLS."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from pgstack.errors import ProbeError
from pgstack.live.probes.patroni import NOBODY, Answer, Api
from pgstack.rendering import openssl

HERE = "127.0.0.1"


@contextmanager
def member(directory: Path, said: bytes, *, ends: bool) -> Iterator[Api]:
    """One that says this to whoever asks, and closes the connection or keeps it."""
    names = openssl.PEERS.format(names=f"IP:{HERE}")
    certificate, key = openssl.make_certificate("member", names, 1)
    for name, text in (("cert", certificate), ("key", key)):
        (directory / name).write_text(text)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "cert", directory / "key")
    kept: list[socket.socket] = []
    with socket.create_server((HERE, 0)) as listener:

        def serve() -> None:
            with suppress(OSError):
                opened = context.wrap_socket(listener.accept()[0], server_side=True)
                kept.append(opened)
                opened.recv(4096)
                opened.sendall(said)
                if ends:
                    opened.close()

        threading.Thread(target=serve, daemon=True).start()
        yield Api(listener.getsockname()[1], str(directory / "cert"), 1.0)
    for opened in kept:
        opened.close()


def test_what_a_member_answers_is_its_status_and_its_words(tmp_path: Path) -> None:
    with member(tmp_path, b'HTTP/1.0 200 OK\r\n\r\n{"timeline": 3}', ends=True) as api:
        assert api.get(HERE, "primary") == Answer(200, {"timeline": 3})


def test_a_member_that_says_no_answers_too(tmp_path: Path) -> None:
    with member(tmp_path, b"HTTP/1.0 503 Service Unavailable\r\n\r\nno", ends=True) as api:
        assert api.get(HERE, "primary") == Answer(503, {"message": "no"})


@pytest.mark.parametrize("status", [b"200 OK", b"503 Service Unavailable"])
def test_an_answer_that_stalls_is_none(tmp_path: Path, status: bytes) -> None:
    said = b"HTTP/1.0 " + status + b"\r\nContent-Length: 99\r\n\r\n{"
    with member(tmp_path, said, ends=False) as api, pytest.raises(ProbeError, match="timed out"):
        api.get(HERE, "primary")


def test_an_answer_that_is_no_http_is_none(tmp_path: Path) -> None:
    with member(tmp_path, b"pardon?\r\n", ends=True) as api, pytest.raises(ProbeError):
        api.get(HERE, "primary")


def test_a_host_without_a_patroni_is_told_from_a_silent_one(tmp_path: Path) -> None:
    certificate, _ = openssl.make_certificate("authority", openssl.SERVES.format(names="IP:::1"), 1)
    (tmp_path / "cert").write_text(certificate)
    with socket.create_server((HERE, 0)) as closed:
        port = closed.getsockname()[1]
    assert Api(port, str(tmp_path / "cert"), 1.0).get(HERE, "primary").status == NOBODY
