"""Questions to the site through Apache, and to its daemon processes: those are signed, so nobody
else can ask."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from django.core.signing import TimestampSigner

from pgstack import settings
from pgstack.errors import ProbeError
from pgstack.planning.lanes import Lane
from pgstack.planning.plan import Plan

HEADER = "X-Stack-Probe"
PATH = "stack/probe"
MAX_AGE_SECONDS = 60
SALT = "pgstack.probe"

ANSWER_SECONDS = 5
"""longest wait for one answer: it says enough about a stack that it takes longer"""

HOLDS_SECONDS = (0.05, 0.1, 0.2, 0.4)
"""how long a survey keeps every request thread, round by round; it ends with the round that saw all
of them"""

MAX_HOLD_SECONDS = max(HOLDS_SECONDS)


class _Connection(HTTPSConnection):
    """TLS under the site's name, at whatever address it is asked."""

    def __init__(self, *arguments: Any, name: str, **options: Any) -> None:
        # The certificate may be self-signed: who must know who answers signs the question.
        super().__init__(*arguments, context=ssl._create_unverified_context(), **options)  # noqa: S323, SLF001
        self.name = name

    def connect(self) -> None:
        """As HTTPSConnection does, with another name."""
        HTTPConnection.connect(self)
        self.sock = self._context.wrap_socket(self.sock, server_hostname=self.name)  # type: ignore[attr-defined]


class _Https(urllib.request.HTTPSHandler):
    def https_open(self, request: urllib.request.Request) -> Any:
        """One request over TLS; the name is that of its header Host."""
        host = urlsplit(f"//{request.get_header('Host', request.host)}").hostname or ""
        return self.do_open(partial(_Connection, name=host), request)


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """Follow no redirect: it is an answer like any other."""


# No proxy stands between this host and itself.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}), _Https())
_STAYING = urllib.request.build_opener(urllib.request.ProxyHandler({}), _Https(), _Stay())


def fetch(url: str, seconds: float, headers: Mapping[str, str] = MappingProxyType({})) -> bytes:
    """Body that this host answers at `url` within `seconds`, redirects followed.

    Raises ProbeError naming the address and the status or the reason.
    """
    try:
        with _open(_OPENER, url, seconds, headers) as answer:
            body: bytes = answer.read()
    except urllib.error.HTTPError as error:
        raise ProbeError(f"{url}: status {error.code}") from None
    except (OSError, HTTPException) as error:
        raise _silence(url, error) from error
    return body


def _open(
    opener: urllib.request.OpenerDirector, url: str, seconds: float, headers: Mapping[str, str]
) -> Any:
    return opener.open(urllib.request.Request(url, headers=dict(headers)), timeout=seconds)  # noqa: S310 - ours


def _silence(url: str, error: Exception) -> ProbeError:
    reason = getattr(error, "reason", error)
    return ProbeError(f"{url}: {getattr(reason, 'strerror', None) or reason}")


def ask(
    plan: Plan, path: str, seconds: float, headers: Mapping[str, str] = MappingProxyType({})
) -> bytes:
    """As `fetch`, where Apache listens, under the site's first name: that name may lead elsewhere,
    or nowhere yet."""
    url, host = _address(plan, path)
    return fetch(url, seconds, {**host, **headers})


def _address(plan: Plan, path: str) -> tuple[str, dict[str, str]]:
    scheme = "http" if plan.site.tls == "off" else "https"
    address = "127.0.0.1" if plan.site.address == "*" else plan.site.address
    return f"{scheme}://{address}:{plan.site.port}/{path}", {"Host": plan.site.hosts[0].lstrip(".")}


def status(plan: Plan, path: str) -> int:
    """Status of the answer at `path`, redirects not followed. Raises ProbeError when there is
    none."""
    url, host = _address(plan, path)
    try:
        with _open(_STAYING, url, plan.web.request_timeout, host) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except (OSError, HTTPException) as error:
        raise _silence(url, error) from error


def certificate(plan: Plan) -> bytes:
    """What Apache shows under the site's first name (DER), valid or not. Raises ProbeError when it
    shows none."""
    url, host = _address(plan, "")
    parts = urlsplit(url)
    connection = _Connection(
        parts.hostname or "", parts.port, name=host["Host"].strip("[]"), timeout=ANSWER_SECONDS
    )
    try:
        with closing(connection):
            connection.connect()
            shown = connection.sock.getpeercert(binary_form=True)
    except OSError as error:
        raise _silence(url, error) from error
    if not shown:
        raise ProbeError(f"{url}: it shows no certificate")
    return bytes(shown)


@dataclass(frozen=True)
class Answer:
    """What one request thread says of itself: process, thread, the backend it just used, seconds
    since 1970 when the process began, the processes and threads that mod_wsgi was told to run; its
    process group, its database at PgBouncer, and the path as Django sees it."""

    process: int
    thread: int
    backend: int
    started: float
    processes: int | None
    threads: int | None
    group: str
    database: str
    path: str


@dataclass
class Survey:
    """Answers of the request threads, and why the rest did not answer."""

    answers: list[Answer] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def threads(self) -> dict[int, set[int]]:
        """Process id → ids of its threads that have answered."""
        by_process: dict[int, set[int]] = {}
        for answer in self.answers:
            by_process.setdefault(answer.process, set()).add(answer.thread)
        return by_process


def signer() -> TimestampSigner:
    """Signs with the stack's own key: a project may have another one."""
    return TimestampSigner(key=settings.secret_key(), salt=SALT)


def probe(plan: Plan, hold: float = 0, path: str = PATH) -> Answer:
    """What one request thread says of itself after `hold` seconds. `path` says which lane is asked:
    it ends with PATH. Raises ProbeError."""
    signed = {HEADER: signer().sign(str(hold))}
    try:
        return Answer(**json.loads(ask(plan, path, ANSWER_SECONDS, signed)))
    except (ValueError, TypeError) as error:
        raise ProbeError(f"/{path}: {error}") from error


def below(prefix: str) -> str:
    """Path of the probe that the lane of a prefix answers."""
    return f"{prefix.strip('/')}/{PATH}"


def burst(plan: Plan, count: int, hold: float = 0, lane: Lane | None = None) -> Survey:
    """`count` requests to a lane, or to all other pages, as many at a time as it has request
    threads."""
    path = below(lane.prefixes[0]) if lane else PATH

    def probed(_: int) -> Answer | str:
        try:
            return probe(plan, hold, path)
        except ProbeError as error:
            return str(error)

    result = Survey()
    with ThreadPoolExecutor((lane or plan.web).requests) as threads:
        for answer in threads.map(probed, range(count)):
            (result.errors if isinstance(answer, str) else result.answers).append(answer)  # type: ignore[arg-type]
    return result


def survey(plan: Plan, lane: Lane | None = None) -> Survey:
    """An answer of every request thread of a lane, or of those of all other pages.

    As many requests at a time as there should be threads, each held for a moment, must land on
    different threads. Other traffic may take some, so it is tried again with longer holds: the
    threads are kept for the sum of HOLDS_SECONDS at most. Ends at the first round with an error.
    """
    result, wanted = Survey(), (lane or plan.web).requests
    for hold in HOLDS_SECONDS:
        latest = burst(plan, wanted, hold, lane)
        result.answers += latest.answers
        result.errors += latest.errors
        if result.errors or sum(map(len, result.threads().values())) >= wanted:
            break
    return result
