"""Ends a web process in which a request takes too long; the other requests of that process are let
finish.

mod_wsgi's request-timeout is an average over the threads of a process, so one request that hangs is
never ended by it. Here each request is timed by itself: while the project works on it, also on the
pieces of a streamed answer, and not while a client takes its time to read. Apache has given the
client of such a request a 504 before (socket-timeout).

A thread of Python cannot run while another one holds the interpreter's lock: mod_wsgi's
deadlock-timeout ends that.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from pgstack.serving import meter as meters
from pgstack.serving.bodies import Bodies
from pgstack.serving.current import CURRENT, NUMBER
from pgstack.serving.error_log import ErrorLog
from pgstack.serving.memory_limit import MemoryLimit
from pgstack.serving.meter import Meter, queued
from pgstack.serving.wait_limit import WaitLimit

Application = Callable[..., Iterable[bytes]]
Environ = dict[str, Any]

PAUSE_SECONDS = 0.25
"""between two looks"""
NEVER = float("inf")
MEASURED = "X-Stack-Measured"
"""a header that Apache takes off the answer and writes into its access log"""
Headers = list[tuple[str, str]]


class Request:
    """A request and its answer, from the first call of the application until mod_wsgi closes the
    answer."""

    __slots__ = (
        "_answer",
        "_pieces",
        "begun",
        "environ",
        "queue",
        "since",
        "status",
        "thread",
        "told",
        "watch",
        "worked",
    )

    def __init__(self, watch: Watch, environ: Environ) -> None:
        self.watch, self.environ, self.told, self.status = watch, environ, False, ""
        self.thread, self.worked = threading.get_ident(), 0.0
        self.begun = self.since = time.monotonic()
        self.queue = queued(environ) if watch.measures else 0.0
        CURRENT.begin(environ.get(NUMBER, ""))
        watch.requests[self.thread] = self

    def answer(self, answer: Iterable[bytes]) -> Request:
        """Time the making of each piece of `answer`."""
        self._answer, self._pieces = answer, iter(answer)
        self._rest()
        return self

    def _rest(self) -> float:
        """Count no time until it is worked on again; what the clock says."""
        now = time.monotonic()
        if self.since != NEVER:
            self.worked += now - self.since
            self.since = NEVER
        return now

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        self.since = time.monotonic()
        piece = next(self._pieces)
        self._rest()  # it is sent now, as fast as the client takes it
        return piece

    def close(self) -> None:
        """mod_wsgi calls this whatever became of the client."""
        self.since = self._rest()  # the project's handlers of request_finished run in here
        try:
            close = getattr(self._answer, "close", None)
            if close is not None:
                close()
        finally:
            self.end()

    def timed(self, headers: Headers) -> Headers:
        """With what has been measured so far, in microseconds: the wait for a thread, the
        application, of it the database; and statements. It comes first, for of two such headers
        Apache notes the first."""
        worked, spent = time.monotonic() - self.begun, CURRENT
        queue, waited = int(self.queue * 1e6), int(spent.seconds * 1e6)
        times = f"{queue},{int(worked * 1e6)},{waited},{spent.statements}"
        return [(MEASURED, times), *headers]

    def end(self) -> None:
        """It is no longer worked on."""
        CURRENT.number = ""
        now, meter = self._rest(), self.watch.meter
        if self.watch.requests.pop(self.thread, None) is not None and meter is not None:
            meter.answered(self.queue, self.worked, now - self.begun, self.status)

    def name(self) -> str:
        """Method, page, and the number that both of Apache's logs have. A query may hold what is
        secret."""
        page = f"{self.environ.get('SCRIPT_NAME', '')}{self.environ.get('PATH_INFO', '')}"
        return (
            f"{self.environ.get('REQUEST_METHOD', '')} {page!r} [{self.environ.get(NUMBER, '-')}]"
        )

    def stack(self) -> str:
        """Traceback of the thread that works on the request; empty when it has ended."""
        frame = sys._current_frames().get(self.thread)  # noqa: SLF001 - the one way to look at another thread
        return "".join(traceback.format_stack(frame)) if frame else ""


class Watch:
    """The requests of this process, and the thread that looks at them."""

    def __init__(
        self,
        application: Application,
        longest: float,
        memory: MemoryLimit | None = None,
        meter: Meter | None = None,
        *,
        tells: bool = False,
    ) -> None:
        """`tells` Apache how long each request took."""
        self.application, self.longest, self.memory = application, longest, memory
        self.meter, self.tells, self.measures = meter, tells, tells or meter is not None
        self.requests: dict[int, Request] = {}
        self.ending = threading.Event()
        self.log = sys.stderr if isinstance(sys.stderr, ErrorLog) else None
        threading.Thread(target=self.look, name="watchdog", daemon=True).start()

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """The application's answer; a file that mod_wsgi sends by itself is left as it is."""
        if self.log is not None:
            environ["wsgi.errors"] = self.log
        request = Request(self, environ)

        def start(status: str, headers: Headers, *others: Any) -> Any:
            request.status = status
            sent = request.timed(headers) if self.tells else headers
            return start_response(status, sent, *others)

        try:
            answer = self.application(environ, start)
        except BaseException:
            request.end()
            raise
        if isinstance(answer, environ.get("wsgi.file_wrapper", ())):
            request.end()
            return answer  # type: ignore[no-any-return]
        return request.answer(answer)

    def overdue(self) -> list[Request]:
        """Requests that take longer than the longest."""
        limit = time.monotonic() - self.longest
        return [request for request in list(self.requests.values()) if request.since < limit]

    def look(self) -> None:
        """Look at requests, memory and threads until a request is overdue; then end the process."""
        while not self.overdue():
            if self.memory is not None:
                self.memory.look()
            if self.meter is not None:
                self.meter.look(len(self.requests))
            time.sleep(PAUSE_SECONDS)
        self.finish()

    def tell(self) -> None:
        """An entry for each request that is overdue, once. Those that hang at the same place share
        a stack."""
        places: dict[str, str] = {}
        for request in self.overdue():
            if request.told:
                continue
            request.told = True
            stack, now = request.stack(), time.monotonic()
            first = places.setdefault(stack, request.name())
            where = (
                f"\n{stack.rstrip()}" if first == request.name() else f" It is where {first} is."
            )
            entry = (
                f"hung request: {request.name()} takes {now - request.since:.1f} s; this process "
                f"ends.{where}"
            )
            print(entry, file=sys.stderr, flush=True)

    def finish(self) -> None:
        """End this process after the requests that are not overdue.

        mod_wsgi takes no more of them from here on, and ends the process by itself after its
        shutdown-timeout.
        """
        self.tell()
        self.ending.set()
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(PAUSE_SECONDS)  # one that was taken a moment ago is among the requests by now
        while len(self.requests) > len(self.overdue()):
            self.tell()
            time.sleep(PAUSE_SECONDS)
        time.sleep(PAUSE_SECONDS)  # who was held in the queue is sent back
        self.tell()
        if self.meter is not None:
            self.meter.count()
        os._exit(1)


def watched(application: Application) -> Application:
    """`application` as a web process serves it: with whole bodies, within its limits of time and
    memory.

    The limits are for mod_wsgi, which starts another process. A wait is over before a body in
    chunks is read.
    """
    from pgstack.planning.state import rendered_plan

    plan = rendered_plan() if "mod_wsgi" in sys.modules else None
    if plan is None:
        return Bodies(application)
    meter = meters.of(plan)
    tells = plan.site.access_log == "json"
    watch = Watch(application, plan.web.watchdog_timeout, MemoryLimit(plan), meter, tells=tells)
    return WaitLimit(Bodies(watch), plan, lambda: len(watch.requests), watch.ending, meter)
