"""`python -m pgstack.targets.schedule.scheduler`: begin what is due, once a second a look, until
supervisord ends this.

An entry is due when a time of its has come since it last began. So it does not matter for how long
nothing looked, nor how many times went by: it begins once. While it runs it is not begun again, and
while a command changes the stack nothing is. The plan is read again once it has: a reload need not
restart this, and what runs goes on with the code and the settings that it began with.
"""

from __future__ import annotations

import signal
import threading
import time
from datetime import UTC, datetime
from types import FrameType

import psutil

from pgstack.errors import ends_the_process
from pgstack.live.probes import local
from pgstack.live.probes import schedule as probe
from pgstack.live.probes.schedule import Record
from pgstack.ops import replacing
from pgstack.planning import state, targets
from pgstack.planning.background import VARIABLE, Entry
from pgstack.planning.plan import Plan
from pgstack.planning.work_names import KILL_SECONDS
from pgstack.targets import orphans, programs
from pgstack.targets.schedule.process import Process

LOOK_SECONDS = 1
END_SECONDS = 0.1
FINISH_SECONDS = 45
"""for what runs in a container that is to be replaced; what does not end by itself is begun again
in the next one"""


def say(words: str) -> None:
    """One line in the scheduler's own log."""
    print(probe.moment(datetime.now(UTC)), words, flush=True)


class Scheduler:
    """Begins, watches and notes."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._records = probe.records(plan)
        self._noted: dict[str, Record] = {}
        self._running: dict[str, Process] = {}
        self._waited: dict[str, datetime] = {}
        """since when an entry that runs had waited for it"""
        self._in_container = targets.of(plan.target).image
        self._end_those_left()

    def follow(self) -> None:
        """Read the plan anew. What a command changes it may still take back; a container is made
        for one plan."""
        if not self._in_container and not local.busy(self.plan):
            self.plan = state.started_plan()

    def look(self) -> None:
        """End, note and begin what there is to."""
        now, entries = datetime.now(UTC), {entry.name: entry for entry in self.plan.schedule}
        for name, process in list(self._running.items()):
            if name not in entries:
                process.stop("stopped")
            self._look_at(process)
        self._records = {name: self._followed(entry, now) for name, entry in entries.items()} | {
            name: self._records[name] for name in self._running
        }
        if not local.busy(self.plan):
            for entry in entries.values():
                due = probe.due(entry.cron, self._records[entry.name].since)
                if entry.name not in self._running and due <= now:
                    self._begin(entry)
        self._write()

    def end(self) -> None:
        """Begin nothing more. In a container, let runs finish for a while; what is then left is
        ended and due again in the next container: a release must not skip a run."""
        deadline = time.monotonic() + (FINISH_SECONDS if self._in_container else 0)
        while self._running and time.monotonic() < deadline:
            time.sleep(END_SECONDS)
            for process in list(self._running.values()):
                self._look_at(process)
        for process in self._running.values():
            process.stop("stopped")
        cut = set(self._running) if self._in_container else set()
        while self._running:
            time.sleep(END_SECONDS)
            for process in list(self._running.values()):
                self._look_at(process)
        for name in cut:
            due = {"since": self._waited[name]}
            self._records[name] = self._records[name].model_copy(update=due)
        planned = {entry.name for entry in self.plan.schedule}
        self._records = {name: self._records[name] for name in planned & self._records.keys()}
        self._write()

    def _followed(self, entry: Entry, now: datetime) -> Record:
        """One that is new, or has another time than before, counts from now on."""
        known = self._records.get(entry.name)
        if known is None:
            return Record(cron=entry.cron, since=now)
        if known.cron != entry.cron:
            return known.model_copy(update={"cron": entry.cron, "since": now})
        return known

    def _begin(self, entry: Entry) -> None:
        record = self._records[entry.name]
        try:
            process = Process(self.plan, entry)
        except OSError as error:
            say(f"{entry.name} could not begin: {error}")
            now = datetime.now(UTC)
            failed = {"since": now, "begun": now, "ended": now, "exit": 127, "cut": ""}
            self._records[entry.name] = record.model_copy(update=failed)
            return
        self._running[entry.name] = process
        self._waited[entry.name] = record.since
        began = {"since": process.begun, "begun": process.begun, "process": process.pid}
        fresh = {"ended": None, "exit": None, "cut": ""}
        self._records[entry.name] = record.model_copy(update=began | fresh)

    def _look_at(self, process: Process) -> None:
        name, status = process.entry.name, process.ended()
        if status is None:
            return
        del self._running[name]
        ended = {"process": 0, "ended": datetime.now(UTC), "exit": status, "cut": process.cut}
        good = {"succeeded": process.begun} if status == 0 and not process.cut else {}
        self._records[name] = self._records[name].model_copy(update=ended | good)
        if status or process.cut:
            say(f"{name} ended with {status}: see its log")

    def _end_those_left(self) -> None:
        """End the runs of a scheduler that was killed: no limit applies to them any more, and their
        exit status is lost."""
        for name, record in self._records.items():
            if not record.process:
                continue
            if left := _processes_of_run(self.plan, name, record.process):
                orphans.end(left, signal.SIGTERM, KILL_SECONDS)
                say(f"{name} ran on without a scheduler, and was ended")
            ended = {"process": 0, "ended": datetime.now(UTC), "cut": "stopped"}
            self._records[name] = record.model_copy(update=ended)

    def _write(self) -> None:
        if self._records == self._noted:
            return
        try:
            replacing.write(probe.file(self.plan), probe.RECORDS.dump_json(self._records, indent=1))
        except OSError as error:
            say(f"what ran could not be noted: {error}")
            return
        self._noted = dict(self._records)


def _processes_of_run(plan: Plan, name: str, pid: int) -> list[psutil.Process]:
    """Processes of a run, the first one in front; none when that number is another's by now."""
    mine = {VARIABLE: name, orphans.MARK: programs.plan_file(plan)}
    for process in orphans.readable():
        try:
            if process.pid == pid and mine.items() <= process.environ().items():
                return [process, *process.children(recursive=True)]
        except psutil.Error:
            continue
    return []


def main() -> None:
    """Look until told to end; then end what runs."""
    over = threading.Event()

    def end(_: int, __: FrameType | None) -> None:
        over.set()

    signal.signal(signal.SIGTERM, end)
    with ends_the_process():
        scheduler = Scheduler(state.started_plan())
        say("begins")
        while not over.wait(LOOK_SECONDS):
            scheduler.follow()
            scheduler.look()
        scheduler.plan = state.started_plan()
        scheduler.end()
        say("ends")


if __name__ == "__main__":
    main()
