"""The lab on real servers: all that this machine can run is what it says it is, and a cut-off run
can go on."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

pytestmark = pytest.mark.timeout(1200)  # seventeen trials on a busy machine
PROGRAM = Path(__file__).resolve().parents[1] / "fixtures/short_lab.py"
TWIN = " (A/A)"


def start(results: Path, **inputs: str) -> subprocess.Popen[str]:
    """`make loadtest` with these inputs and none of the caller's, and short warm-ups."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("STACK_")
    }
    environment |= {"RESULTS": str(results), "STACK_MEMORY": "1g", "COLUMNS": "80", **inputs}
    command = [sys.executable, str(PROGRAM)]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def lab(results: Path, **inputs: str) -> subprocess.CompletedProcess[str]:
    """The same to its end."""
    with start(results, **inputs) as process:
        out, err = process.communicate(timeout=1100)
    if "may not enter" in err or "missing packages" in err:
        pytest.skip(err.strip())
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def record(results: Path) -> dict[str, Any]:
    """The records of the only run below `results`."""
    (path,) = results.glob("*/results.json")
    recorded: dict[str, Any] = json.loads(path.read_text())
    return recorded


@pytest.fixture(scope="module")
def directory() -> Iterator[Path]:
    """For the records of runs: one that every account may enter, as pytest's own is not."""
    with tempfile.TemporaryDirectory(prefix="lab-", dir="/tmp") as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)


REFERENCE = "pgbouncer-transaction"
FEW = ("reconnect-socket", "psycopg-pool", "pgpool", "reconnect-mysql")
"""of each module of loadtest/lab/strategies one"""


@pytest.fixture(scope="module", params=["few", pytest.param("all", marks=pytest.mark.slow)])
def everything(request: pytest.FixtureRequest, directory: Path) -> dict[str, Any]:
    """One short trial of each strategy."""
    results = directory / request.param
    asked = "all" if request.param == "all" else ",".join(FEW)
    done = lab(results, STRATEGIES=asked, BLOCKS="1", SECONDS="1")
    assert done.returncode in (0, 1), done.stdout + done.stderr
    assert "report:" in done.stdout
    return {**record(results), "asked": asked, "place": results}


def proofs(trial: dict[str, Any]) -> list[str]:
    """Reasons against a trial, without that of a machine that is busy with other tests."""
    busy = ("generator used", "the machine was", "turns had less than half")
    return [reason for reason in trial["void"] if not any(words in reason for words in busy)]


def test_each_strategy_runs_or_says_why_not(everything: dict[str, Any]) -> None:
    from loadtest.lab.strategies import STRATEGIES

    labels = {trial["label"] for trial in everything["trials"]}
    asked = STRATEGIES if everything["asked"] == "all" else {*FEW, REFERENCE}
    assert labels | set(everything["unavailable"]) == {*asked, REFERENCE + TWIN}
    assert all(
        "apt-get install" in reason or "1.21" in reason
        for reason in everything["unavailable"].values()
    )


def test_each_strategy_is_proven_to_be_what_it_says(everything: dict[str, Any]) -> None:
    assert {trial["label"]: proofs(trial) for trial in everything["trials"] if proofs(trial)} == {}


def test_reconnecting_makes_a_session_for_each_request_and_pooling_none(
    everything: dict[str, Any],
) -> None:
    by_label = {trial["label"]: trial for trial in everything["trials"]}
    assert by_label["reconnect-socket"]["sessions"] >= by_label["reconnect-socket"]["requests"]
    assert by_label["pgbouncer-transaction"]["sessions"] < 20
    assert (
        by_label["pgbouncer-transaction"]["transactions"]
        >= by_label["pgbouncer-transaction"]["requests"]
    )


def test_the_stack_as_planned_says_where_its_requests_were(everything: dict[str, Any]) -> None:
    by_label = {trial["label"]: trial for trial in everything["trials"]}
    own, other = by_label["pgbouncer-transaction"], by_label["reconnect-socket"]
    at_once = sum(own["inward"][name] for name in ("queue", "python", "pool_wait", "sql"))
    users = at_once * own["requests"] / own["seconds"]
    assert 0.3 * own["load"]["users"] < users < 1.2 * own["load"]["users"]
    assert own["inward"]["memory"] > 20e6
    assert any("FROM" in row["text"] for row in own["inward"]["statements"])
    assert other["inward"] is None
    (plan,) = everything["place"].glob("*/plan.json")
    assert json.loads(plan.read_text())["web"]["processes"] >= 1


SLOW = pytest.mark.slow
"""Two minutes of web servers; tests/unit/test_lab_resume.py goes on with runs too."""


def second_trial(run: psutil.Process) -> dict[str, psutil.Process]:
    """Name → process, as soon as the servers and the generator of the next trial have been
    started."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with suppress(psutil.NoSuchProcess):
            children = run.children(recursive=True)
            generator = any("loadtest.lab.generator" in child.cmdline() for child in children)
            servers = {child.name(): child for child in children}
            if generator and {"postgres", "pgbouncer"} <= set(servers):
                return servers
        time.sleep(0.05)
    pytest.fail("the second trial did not start")


class Interrupted:
    """A run of the web servers that got SIGINT after its first trial, and what it left behind."""

    def __init__(self, results: Path) -> None:
        self.results = results
        with start(results, SUITE="servers", BLOCKS="1", SECONDS="1") as process:
            assert process.stdout
            seen = ""
            for line in process.stdout:
                seen += line
                if re.match("1/", line):
                    break
            self.servers = second_trial(psutil.Process(process.pid))
            words = " ".join(word for server in self.servers.values() for word in server.cmdline())
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
        if "may not enter" in err or "missing packages" in err:
            pytest.skip(err.strip())
        self.status, self.out, self.err = process.returncode, seen + out, err
        self.directories = [Path(path) for path in set(re.findall(r"/tmp/load-\w+", words))]
        self.trials = record(results)["trials"]


@pytest.fixture(scope="module")
def interrupted(directory: Path) -> Interrupted:
    return Interrupted(directory / "interrupted")


@SLOW
def test_interrupted_run_keeps_and_shows_its_trial_and_says_how_to_go_on(
    interrupted: Interrupted,
) -> None:
    assert (interrupted.status, interrupted.err) == (130, "")
    first, other = interrupted.trials[::2], interrupted.trials[1::2]
    assert {trial["beside"] for trial in first} == {"mod_wsgi-daemon"}
    assert [trial["beside"] for trial in other] == [trial["label"] for trial in first]
    made = f"{len(first)} of 6 trials"  # on a busy machine the signal comes a trial late
    assert len(first) in (1, 2)
    assert f"The run was interrupted: {made}. RESUME=1 goes on." in " ".join(
        interrupted.out.split()
    )
    assert interrupted.out.endswith(
        f"interrupted: {made} are made. Go on with: make loadtest RESUME=1\n"
    )
    assert len(list(interrupted.results.glob("*/report.html"))) == 1


@SLOW
def test_interrupted_run_leaves_no_server_and_no_directory(interrupted: Interrupted) -> None:
    assert [name for name, server in interrupted.servers.items() if server.is_running()] == []
    assert interrupted.directories
    assert not any(directory.exists() for directory in interrupted.directories)


@SLOW
def test_other_input_than_that_of_the_interrupted_run_is_refused_by_name(
    interrupted: Interrupted,
) -> None:
    done = lab(interrupted.results, RESUME="1", BLOCKS="2")
    assert done.returncode == 2
    assert "BLOCKS=2: the run that RESUME=1 goes on with has BLOCKS=1." in done.stderr


@SLOW
def test_result_of_another_page_is_refused_before_anything_is_measured(
    interrupted: Interrupted, tmp_path: Path
) -> None:
    (old,) = interrupted.results.glob("*/results.json")
    done = lab(tmp_path, COMPARE=str(old), PAGE="/json")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(
        f"COMPARE={old}: suite is strategies, was servers; page is /json, was /db."
    )
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def servers(interrupted: Interrupted, directory: Path) -> dict[str, Any]:
    """The rest of the interrupted run, compared with its beginning."""
    old = directory / "old.json"
    old.write_bytes(next(interrupted.results.glob("*/results.json")).read_bytes())
    done = lab(interrupted.results, RESUME="1", COMPARE=str(old))
    assert done.returncode in (0, 1), done.stdout + done.stderr
    assert "too few blocks" in done.stdout
    return record(interrupted.results)


@SLOW
def test_resumed_run_makes_what_is_left_and_every_server_once(
    servers: dict[str, Any], interrupted: Interrupted
) -> None:
    from loadtest.lab.web import SERVERS

    assert servers["trials"][: len(interrupted.trials)] == interrupted.trials
    made = Counter(trial["label"] for trial in servers["trials"])
    # Two that take turns are made again when something else on the machine has stopped one of them.
    turns = zip(servers["trials"][::2], servers["trials"][1::2], strict=True)
    counted = [two for two in turns if not any(trial["void"] for trial in two)]
    calm = Counter(trial["label"] for two in counted for trial in two)
    each = dict.fromkeys({*SERVERS, "mod_wsgi-daemon" + TWIN} - set(servers["unavailable"]), 1)
    each |= {"mod_wsgi-daemon": len(each) - 1}
    assert made.keys() == each.keys()
    assert {
        label: (calm[label], made[label])
        for label, n in each.items()
        if not calm[label] <= n <= made[label]
    } == {}
    assert all("apt-get install" in reason for reason in servers["unavailable"].values())
    done = lab(interrupted.results, RESUME="1")
    assert done.returncode == 2
    assert "RESUME=1: nothing is left of the last run" in done.stderr


@SLOW
def test_each_server_is_proven_by_its_access_log_and_the_pooler(servers: dict[str, Any]) -> None:
    assert {trial["label"]: proofs(trial) for trial in servers["trials"] if proofs(trial)} == {}
    for trial in servers["trials"]:
        assert trial["strategy"] == "pgbouncer-transaction"
        assert trial["transactions"] == pytest.approx(trial["sent"], rel=0.01)
        if trial["label"] != "granian-no-log":
            assert trial["logged"] == pytest.approx(trial["sent"], rel=0.01)


@pytest.mark.slow
def test_change_of_the_stack_is_really_made(directory: Path) -> None:
    results = directory / "tuning"
    done = lab(
        results,
        SUITE="tuning",
        STRATEGIES="pool-1,daemons-1x1,atomic-requests",
        BLOCKS="1",
        SECONDS="1",
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    trials = {trial["label"]: trial for trial in record(results)["trials"]}
    assert trials["pool-1"]["backends"] == 1
    assert trials["daemons-1x1"]["transactions"] >= trials["daemons-1x1"]["requests"]
    assert proofs(trials["daemons-1x1"]) == []
    assert trials["atomic-requests"]["strategy"] == "atomic-requests"
