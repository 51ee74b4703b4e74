"""STACK_SCHEDULE: what it becomes, and one message for each kind of mistake."""

from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, datetime

import pytest

from pgstack.errors import InputError
from pgstack.live.probes import schedule as probe
from pgstack.planning import config
from pgstack.planning.schedule_input import ScheduleInput
from pgstack.targets.host import inventory


def read(text: str) -> tuple[ScheduleInput, ...]:
    return config.load({"STACK_SCHEDULE": text}).schedule


def refusal(text: str) -> str:
    with pytest.raises(InputError) as error:
        read(text)
    assert len(str(error.value).splitlines()) == 1
    return str(error.value)


def test_a_name_and_a_time_are_enough_for_a_management_command() -> None:
    first, second = read("clearsessions=daily 04:00; clear_cache = every 5m ;")
    assert (first.name, first.command) == ("clearsessions", ("manage.py", "clearsessions"))
    assert (second.name, second.command) == ("clear_cache", ("manage.py", "clear_cache"))


def test_what_follows_the_time_is_the_command() -> None:
    text = "report:20m:300MB=weekly Mon 06:30 manage.py report --to 'all of us'; sync=hourly sync"
    first, second = read(text)
    assert first.command == ("manage.py", "report", "--to", "all of us")
    assert (first.limit, first.memory) == (1200, 300 * 1024**2)
    assert (second.command, second.limit) == (("sync",), None)


@pytest.mark.parametrize(
    ("text", "cron", "calendar"),
    [
        ("every 5m", "*/5 * * * *", "*-*-* *:00/5:00 UTC"),
        ("every 1m", "*/1 * * * *", "*-*-* *:00/1:00 UTC"),
        ("every 60m", "0 * * * *", "*-*-* *:00:00 UTC"),
        ("every 2h", "0 */2 * * *", "*-*-* 00/2:00:00 UTC"),
        ("every 24h", "0 0 * * *", "*-*-* 00:00:00 UTC"),
        ("every 1d", "0 0 * * *", "*-*-* 00:00:00 UTC"),
        ("hourly", "0 * * * *", "*-*-* *:00:00 UTC"),
        ("daily 04:05", "5 4 * * *", "*-*-* 04:05:00 UTC"),
        ("weekly sun 23:59", "59 23 * * sun", "Sun *-*-* 23:59:00 UTC"),
        ("monthly 1 00:00", "0 0 1 * *", "*-*-01 00:00:00 UTC"),
    ],
)
def test_each_form_says_the_same_to_both_schedulers(text: str, cron: str, calendar: str) -> None:
    (entry,) = read(f"x={text}")
    assert (entry.when.text, entry.when.cron, entry.when.calendar) == (text, cron, calendar)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("clearsessions", "'clearsessions' has no =; expected NAME=WHEN COMMAND"),
        ("Clear=hourly", "'Clear' is not the name of an entry"),
        (f"{'a' * 41}=hourly", "is not the name of an entry: up to 40 of a-z, 0-9, _ and -"),
        ("x=hourly;x=daily 04:00", "two entries are named x"),
        ("x=", "x is to run ''; expected every 5m, hourly, daily 04:00"),
        ("x=manage.py x", "x is to run 'manage.py'; expected every 5m, hourly, daily 04:00"),
        ("x=dayly 04:00", "x is to run 'dayly'; expected every 5m, hourly, daily 04:00"),
        ("x=daily", "x is to run 'daily'; expected `daily 04:00`"),
        ("x=daily 4:00", "x is to run 'daily 4:00': 4:00 is not a time; expected HH:MM"),
        ("x=daily 24:00", "24:00 is not a time; expected HH:MM from 00:00 to 23:59"),
        ("x=weekly 04:00", "x is to run 'weekly 04:00'; expected `weekly mon 04:00`"),
        ("x=weekly day 04:00", "day is not a day of the week; expected one of mon, tue"),
        ("x=monthly 31 04:00", "31 is not a day that every month has; expected 1 to 28"),
        ("x=monthly 0 04:00", "0 is not a day that every month has"),
        ("x=every 7m", "7m does not divide an hour; expected one of 1m, 2m, 3m, 4m, 5m, 6m"),
        ("x=every 0m", "0m does not divide an hour"),
        ("x=every 5h", "5h does not divide a day; expected one of 1h, 2h, 3h, 4h, 6h, 8h, 12h"),
        ("x=every 2d", "2d does not divide one day; expected one of 1d"),
        ("x=every 90s", "expected minutes, hours or a day, such as 5m, 2h or 1d"),
        ("x=hourly a 'b", "the command of x cannot be split: No closing quotation"),
        ("x:0s=hourly", "x may take 0s; expected 1s to 24h"),
        ("x:25h=hourly", "x may take 25h; expected 1s to 24h"),
        ("x:5m:6m=hourly", "x has two of limit: the second is 6m"),
        ("x:1MB=hourly", "x has 1MB of memory; expected 16m or more"),
        ("x:300=hourly", "x:300 is not known; behind a name there may be 20m or 90s"),
    ],
)
def test_each_mistake_has_its_message(text: str, reason: str) -> None:
    assert refusal(text).startswith(f"STACK_SCHEDULE={text}: ")
    assert reason in refusal(text)


def test_a_worker_has_no_name_of_an_entry() -> None:
    with pytest.raises(InputError, match=r"^STACK_SCHEDULE: mail is the name of a worker too"):
        config.load({"STACK_WORKERS": "mail=a", "STACK_SCHEDULE": "mail=hourly"})


@pytest.mark.parametrize(
    "when",
    ["every 5m", "every 2h", "hourly", "daily 04:05", "weekly sun 23:59", "monthly 9 00:00"],
)
def test_systemd_reads_what_is_written_for_it_and_cron_means_the_same(when: str) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is missing; apt-get install systemd")
    (entry,) = read(f"x={when}")
    done = subprocess.run(
        [program, "calendar", "--base-time=2026-11-28 12:34:56 UTC", entry.when.calendar],
        capture_output=True,
        text=True,
        check=True,
        env={"TZ": "UTC"},
    )
    said = dict(line.strip().split(": ", 1) for line in done.stdout.splitlines() if ": " in line)
    assert said.get("Normalized form", entry.when.calendar) == entry.when.calendar
    following = probe.due(entry.when.cron, datetime(2026, 11, 28, 12, 34, 56, tzinfo=UTC))
    assert said["Next elapse"] == f"{following:%a %Y-%m-%d %H:%M:%S} UTC"


def test_an_inventory_may_have_a_list_of_entries() -> None:
    machine = {"cores": 2, "memory": 4 * 1024**3, "debian": 13, "open_files": 65536}
    inputs = {"schedule": ["x=hourly tool a,b", "y=daily 04:00"]}
    entries = inventory.plan(inputs, machine)["schedule"]
    assert [entry["command"] for entry in entries] == [["tool", "a,b"], ["manage.py", "y"]]


def test_of_several_web_hosts_the_first_has_the_schedule() -> None:
    given = {"schedule": "x=hourly", "web_addresses": "10.0.0.0/24"}
    groups = {"database": ["db"], "web": ["one", "two"]}
    named = {host: inventory.of_host(given, host, groups) for host in ("db", "one", "two")}
    assert [host for host, inputs in named.items() if "schedule" in inputs] == ["db", "one"]
