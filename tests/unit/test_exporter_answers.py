"""What somebody who has taken the exporter over may answer: it is bounded, and is not believed."""

from __future__ import annotations

import json
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import pytest

from fixtures.host_plan import host_plan
from pgstack.errors import ProbeError
from pgstack.live.probes import exporter
from pgstack.metrics import scraped, standing
from pgstack.planning.metrics import Metrics
from stackctl import metrics

HEAD = b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n"


@contextmanager
def answering(directory: Path, say: Callable[[BinaryIO], object]) -> Iterator[Metrics]:
    class Says(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.rfile.readline()
            try:
                self.wfile.write(HEAD)
                say(self.wfile)
            except OSError:
                pass

    place = str(directory / "metrics.sock")
    with socketserver.UnixStreamServer(place, Says) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Metrics(socket=place, port=0, facts="", processes="", connections=1)
        server.shutdown()


def drip(out: BinaryIO) -> None:
    for _ in range(100):
        out.write(b"#")
        time.sleep(0.1)


def flood(out: BinaryIO) -> None:
    out.writelines(b"#" * 65536 for _ in range(1000))


@pytest.mark.parametrize(
    ("say", "words"), [(drip, "timed out"), (flood, "more than 4 MB")], ids=["drip", "flood"]
)
def test_an_answer_has_an_end(
    tmp_path: Path, say: Callable[[BinaryIO], object], words: str
) -> None:
    begun = time.monotonic()
    with answering(tmp_path, say) as part, pytest.raises(ProbeError, match=words):
        exporter.ask(part, "/metrics", 0.5)
    assert time.monotonic() - begun < 15


@pytest.mark.parametrize(
    "text", ["pgstack_up{source=", "# TYPE pgstack_up gauge\npgstack_up 1\n", "pgstack_up x\n"]
)
def test_what_is_no_scrape_is_an_error(text: str) -> None:
    with pytest.raises(ProbeError, match="nobody understands"):
        scraped.reading(text)


def test_what_is_no_number_is_passed_over() -> None:
    text = "# TYPE pgstack_machine_cores gauge\npgstack_machine_cores NaN\n"
    assert list(scraped.samples(text)) == []


def test_one_that_says_nothing_of_a_server_does_not_work(tmp_path: Path) -> None:
    with answering(tmp_path, lambda out: out.write(b"# nothing\n")) as part:
        stack = host_plan().model_copy(update={"metrics": part})
        assert metrics.trouble(stack, 5) == "exporter: it says nothing of any server"


KNOWN = {"name": "SiteDown", "text": "\x1b[2J a\nnext  x" + "y" * 9999, "state": "firing"}


@pytest.mark.parametrize(
    ("alerts", "names"),
    [
        ([KNOWN | {"since": 5}], ["SiteDown"]),
        ([KNOWN | {"since": 5}, {"name": "Invented"}], ["SiteDown"]),
        ([KNOWN | {"since": "then"}], None),
        ([KNOWN], None),
        ([1], None),
        ({"name": {}}, None),
    ],
)
def test_alerts_are_those_that_are_known_here(
    tmp_path: Path, alerts: object, names: list[str] | None
) -> None:
    said = json.dumps({"alerts": alerts}).encode()
    with answering(tmp_path, lambda out: out.write(said)) as part:
        watched = standing.watched(host_plan().model_copy(update={"metrics": part}))
    assert (None if watched is None else list(watched)) == names
    for alert in (watched or {}).values():
        assert (len(alert["text"]) <= 200, "\n" in alert["text"]) == (True, False)
        assert (alert["severity"], alert["runbook"]) == ("page", "docs/alerts.md#sitedown")
