"""What `pgstack.serving.bodies` makes of what Apache hands over."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from pgstack.errors import InputError
from pgstack.planning.config import load
from pgstack.planning.sizing.scale import size_text
from pgstack.serving.bodies import Bodies


def seen(**environ: Any) -> tuple[list[str], dict[str, Any]]:
    """Statuses that were sent, and what the application got."""
    statuses: list[str] = []
    got: dict[str, Any] = {}

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        with environ["wsgi.input"] as body:
            got.update(environ, read=body.read())
        return ()

    given = {"PATH_INFO": "/", "REQUEST_URI": "/", "wsgi.input": io.BytesIO(), **environ}
    Bodies(application)(given, lambda status, _: statuses.append(status))
    return statuses, got


def test_body_is_read_from_the_file_that_apache_names(tmp_path: Path) -> None:
    (tmp_path / "body").write_bytes(b"abc")
    _, got = seen(**{"pgstack.body": str(tmp_path / "body"), "CONTENT_LENGTH": "3"})
    assert got["read"] == b"abc"
    assert "pgstack.body" not in got


def test_body_in_chunks_has_a_length_for_the_application() -> None:
    _, got = seen(
        **{
            "pgstack.chunked": "1",
            "HTTP_TRANSFER_ENCODING": "chunked",
            "wsgi.input": io.BytesIO(b"abc"),
        }
    )
    assert (got["read"], got["CONTENT_LENGTH"]) == (b"abc", "3")


def test_body_in_chunks_that_ends_too_early_reaches_nobody() -> None:
    class Cut(io.BytesIO):
        def read(self, *_: Any) -> bytes:
            raise OSError("Apache/mod_wsgi request data read error")

    assert seen(**{"pgstack.chunked": "1", "wsgi.input": Cut()}) == (["400 Bad Request"], {})


@pytest.mark.parametrize(
    ("sent", "apaches", "path"),
    [
        ("/a//b", "/a/b", "/a//b"),
        ("//a//b", "/a/b", "/a//b"),
        ("/a//b%20c", "/a/b c", "/a//b c"),
        ("/a?next=//b", "/a", "/a"),
        ("/x/..//a", "/a", "/a"),
        ("http://localhost/a", "/a", "/a"),
    ],
)
def test_path_has_the_slashes_that_were_sent(sent: str, apaches: str, path: str) -> None:
    assert seen(REQUEST_URI=sent, PATH_INFO=apaches)[1]["PATH_INFO"] == path


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (10 * 1024**2, "10 MB"),
        (3 * 1024**3, "3 GB"),
        (1536 * 1024, "1536 kB"),
        (65537, "65537 bytes"),
    ],
)
def test_size_is_said_in_the_largest_unit_that_fits(size: int, text: str) -> None:
    assert size_text(size) == text


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        (
            {"STACK_UPLOAD_LIMIT": "1k"},
            "STACK_UPLOAD_LIMIT=1024: Input should be greater than or equal to 65536",
        ),
        ({"STACK_UPLOAD_LIMIT": "many"}, "expected a size such as 512m"),
        ({"STACK_PROXY_ADDRESSES": "0.0.0.0/0"}, "it lets everybody in"),
        ({"STACK_PROXY_ADDRESSES": "proxy.example"}, "STACK_PROXY_ADDRESSES=proxy.example"),
    ],
)
def test_bad_input_is_refused_by_name(inputs: dict[str, str], words: str) -> None:
    with pytest.raises(InputError) as refused:
        load(inputs)
    assert words in str(refused.value)
