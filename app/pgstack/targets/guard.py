"""What supervisord does not see: it runs this beside the servers of the local target, once a second
a look.

A command that was killed leaves requests held back or connections closed after each answer; a PAUSE
is forgotten; a process is stopped by a signal. Each is put right here and told in guard.log.
Apache's logs are kept small.
"""

from __future__ import annotations

import signal
import time
from contextlib import suppress
from pathlib import Path

import psutil

from pgstack.errors import ProbeError
from pgstack.live.probes import bounded, local, pooler, supervisord
from pgstack.ops import drain
from pgstack.planning import state
from pgstack.planning.plan import Plan
from pgstack.targets import pause, supervision
from pgstack.targets.logs import rotate
from pgstack.targets.supervision import is_worker

LOOK_SECONDS, LOOKS = 1, 4
"""between two looks, or so many in the time that a PAUSE may last: one that fails or comes late
costs no request"""
STOPPED_SECONDS = 5
"""a process that a signal has stopped goes on after so long; a debugger's stop is another and is
left alone"""


def say(words: str) -> None:
    """One line in guard.log, in UTC as the other servers' are."""
    print(time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()), words, flush=True)


class Guard:
    """Looks at the stack of one plan."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._stopped: dict[psutil.Process, float] = {}
        self._workers: dict[str, int] = {}

    def look(self) -> None:
        """Look once, and put right what can be."""
        self._finish_killed_command()
        self._resume_forgotten_pause()
        self._continue_stopped()
        self._look_at_workers()
        # Apache keeps them open and adds to them; supervisord renames the others.
        for log in (self.plan.paths.access_log, self.plan.paths.error_log):
            rotate(Path(log))

    def _finish_killed_command(self) -> None:
        """A command that holds requests back or disables keep-alive also holds the directory's
        lock: without that, it was killed."""
        if not drain.mark(self.plan).exists() or local.busy(self.plan):
            return
        held_back = "; requests that it held back go on" if pause.resume(self.plan) else ""
        pause.enable_keepalive(self.plan)
        say(f"a command was killed while it changed the stack{held_back}")

    def _resume_forgotten_pause(self) -> None:
        """Well before the first of those who wait is given up. A reload says that it holds them
        back."""
        if drain.mark(self.plan).exists():
            return
        with suppress(ProbeError), bounded.waits():
            names = {*self.plan.page_databases}
            names |= {self.plan.background.database} if self.plan.background else set()
            rows = [row for row in pooler.show("POOLS", self.plan) if row["database"] in names]
            waited = max((row["maxwait"] + row["maxwait_us"] / 1e6 for row in rows), default=0)
            if waited >= self.plan.pooler.pause_timeout and pause.resume(self.plan):
                say(f"PgBouncer was paused, and requests had waited for {waited:.1f} s: they go on")

    def _continue_stopped(self) -> None:
        now, halted = time.monotonic(), local.stopped(self.plan)
        self._stopped = {process: self._stopped.get(process, now) for process in halted}
        for process, since in self._stopped.items():
            if now - since >= STOPPED_SECONDS:
                with suppress(psutil.Error):
                    say(
                        f"process {process.pid} ({process.name()}) was stopped by a signal: it "
                        f"goes on"
                    )
                    process.send_signal(signal.SIGCONT)

    def _look_at_workers(self) -> None:
        """Tell of those that ended by themselves; start those that a killed command has ended.

        While a command works, it ends and starts them.
        """
        rows = [row for row in supervisord.rows(self.plan) or () if is_worker(row["name"])]
        if not local.busy(self.plan):
            cut_off = local.unfinished(self.plan).exists()
            for row in rows:
                ended = cut_off and row["statename"] == "STOPPED"
                self._look_at_worker(row["name"], row["pid"], ended)
        self._workers |= {row["name"]: row["pid"] for row in rows if row["pid"]}

    def _look_at_worker(self, name: str, process: int, ended: bool) -> None:
        if ended:
            supervision.start(self.plan, name)
            say(f"a command was killed that had ended {name}: it runs again")
        elif process and self._workers.get(name, process) != process:
            say(f"{name} ended by itself and was started again: see its log")


def main() -> None:
    """Look until supervisord ends this."""
    guard = Guard(state.started_plan())
    while True:
        guard.plan = state.started_plan()  # a reload may have changed it
        guard.look()
        time.sleep(min(LOOK_SECONDS, guard.plan.pooler.pause_timeout / LOOKS))


if __name__ == "__main__":
    main()
