"""PostgreSQL's next major version in containers: refused by `make up`, rehearsed, cut off, made, taken back, given up."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from compose_stack import CHECKOUT, ComposeStack, copy_checkout, require_engine
from host_image import debian_image
from older_postgresql import DATA, FACTS

from fixtures.releases import NEWEST, NEWEST_POSTGRESQL, NEWEST_SUITE
from pgstack.planning.packages import RELEASES
from pgstack.ports import free_port

pytestmark = [pytest.mark.compose, pytest.mark.slow, pytest.mark.timeout(1500)]
OLDER = RELEASES[NEWEST - 1]
OLD, NEW = OLDER.postgresql, NEWEST_POSTGRESQL
BASES = ("compose.yaml", "postgres/service.yaml", "egress/networks-closed.yaml")
DOCKERFILES = [f"{name}/Dockerfile" for name in ("apache", "backup", "pgbouncer", "postgres")]
VOLUME = "/var/lib/postgresql"
WAIT_SECONDS = 120


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[ComposeStack]:
    """One whose images are of the older Debian, with data of all kinds."""
    require_engine()
    debian_image(OLDER.suite)
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    copy_checkout(checkout)
    inputs = {
        "STACK_BACKUP": "local",
        "STACK_BACKUP_PATH": str(tmp_path / "backups"),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
    }
    project = f"pgstack-upgrade-{os.getpid()}"
    made = ComposeStack(project, free_port(), inputs, checkout=checkout)
    base(made, OLDER.suite)
    try:
        made.up("--build")
        made.sql(DATA)
        yield made
    finally:
        made.remove()
    assert made.orphans() == []


def base(stack: ComposeStack, suite: str) -> None:
    """Have the images made of this Debian, as code of another time does. The older one's minimal
    Python lacks modules, and its PgBouncer does not know the login of the health check."""
    for name in (*BASES, *DOCKERFILES):
        text = (CHECKOUT / name).read_text()
        if suite != NEWEST_SUITE:
            text = re.sub(r"debian:\w+-slim", f"debian:{suite}-slim", text)
            text = text.replace("python3-minimal", "python3")
            text = re.sub(
                r"test:\s+\[CMD, psql[^]]*app_monitor[^]]*\]", "test: [CMD, 'true']", text
            )
        (stack.checkout / name).write_text(text)


def make(stack: ComposeStack, *words: str) -> subprocess.CompletedProcess[str]:
    done = stack.run("make", "--silent", "TARGET=compose", *words, check=False)
    told = re.findall(
        r"^(?:rehearsal|not moved|compared|upgraded|restored) .*", done.stdout, re.MULTILINE
    )
    print(words, done.returncode, *told, done.stderr[-1500:], sep="\n")
    return done


def version(stack: ComposeStack) -> int:
    return int(stack.sql("SHOW server_version_num")) // 10000


def require(stack: ComposeStack, wanted: int, rows: str) -> None:
    """This version serves, with these rows."""
    assert (version(stack), stack.sql(FACTS)) == (wanted, rows)
    stack.wait_until_steady()


def left(stack: ComposeStack) -> str:
    """What is there of the new version."""
    return stack.execute("postgres", "find", VOLUME, "-path", f"*/{NEW}/*", "-prune").stdout


def cut_off(stack: ComposeStack) -> None:
    """Kill an upgrade while the new version is filled."""
    with subprocess.Popen(
        ["make", "--silent", "TARGET=compose", "upgrade"],
        cwd=stack.checkout,
        env=stack.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as running:
        deadline = time.monotonic() + WAIT_SECONDS
        begun = ("test", "-e", f"{VOLUME}/{NEW}/main/PG_VERSION")
        while stack.execute("postgres", *begun, check=False).returncode:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()


def test_the_next_version_has_all_rows_and_the_one_of_before_is_kept(stack: ComposeStack) -> None:
    rows = stack.sql(FACTS)
    assert make(stack, "backup").returncode == 0
    base(stack, NEWEST_SUITE)
    refused = make(stack, "up")
    assert refused.returncode == 2
    said = f"the rows are PostgreSQL {OLD}'s, and the image that was built has {NEW}"
    assert said in refused.stderr
    require(stack, OLD, rows)

    told = make(stack, "upgrade", "REHEARSE=yes")
    assert told.returncode == 0
    words = rf"rehearsal PostgreSQL {OLD} can become {NEW}: \d+ s for \d+ MB"
    assert re.search(words, told.stdout)
    require(stack, OLD, rows)
    assert left(stack) == ""

    stack.sql("CREATE ROLE other; CREATE TABLE of_other (); ALTER TABLE of_other OWNER TO other")
    failed = make(stack, "upgrade")
    assert failed.returncode == 2
    assert 'role "other" does not exist' in failed.stderr
    require(stack, OLD, rows)
    assert left(stack) == ""
    stack.sql("DROP TABLE of_other")

    cut_off(stack)
    assert stack.get("/")[0] == 0
    refused = make(stack, "up")
    assert f"the upgrade to PostgreSQL {NEW} was cut off" in refused.stderr
    again = make(stack, "upgrade")
    assert again.returncode == 0
    assert re.search(r"compared  \d+ tables with the same rows, \d+ sequences go on", again.stdout)
    require(stack, NEW, rows)
    assert stack.verifies()

    stack.sql("INSERT INTO customer (mail) VALUES ('later')")
    base(stack, OLDER.suite)
    assert make(stack, "down", "up").returncode == 0
    require(stack, OLD, rows)
    base(stack, NEWEST_SUITE)
    assert make(stack, "down", "up").returncode == 0
    assert version(stack) == NEW
    assert stack.sql("SELECT count(*) FROM customer WHERE mail = 'later'") == "1"

    assert make(stack, "upgrade", "FINISH=yes").returncode == 0
    assert stack.execute("postgres", "test", "-e", f"{VOLUME}/{OLD}", check=False).returncode == 1
    assert make(stack, "upgrade", "FINISH=yes").returncode == 2

    assert make(stack, "restore", "OVERWRITE=yes").returncode == 0
    require(stack, NEW, rows)
    assert stack.verifies()
