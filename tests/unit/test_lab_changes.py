"""The changes that SUITE=tuning makes to the stack are changes of what is really rendered."""

from __future__ import annotations

from pathlib import Path

import pytest
from loadtest.lab.change import gzip_first
from loadtest.lab.changes import CHANGES
from loadtest.lab.server import LabStack

from pgstack.ops import rendered
from pgstack.planning import sizing
from pgstack.planning.config import StackConfig
from pgstack.planning.hardware import Hardware
from pgstack.rendering import templates

GB = 1024**3
EDITED = sorted(name for name, change in CHANGES.items() if change.web)


@pytest.fixture
def lab_stack(tmp_path_factory: pytest.TempPathFactory) -> LabStack:
    """Rendered files of a stack that nobody started. The name is short: a socket's path has 107
    characters at most."""
    directory = tmp_path_factory.mktemp("s")
    plan = sizing.plan(StackConfig(dir=directory), Hardware(1, GB, 12, 65536))
    rendered.write(templates.files(plan))
    return LabStack(directory, plan)


def apache(lab_stack: LabStack, name: str) -> str:
    """All that Apache reads with a change, in one text."""
    (service,) = CHANGES[name].server.services
    main = Path(service(lab_stack).command[-1])
    included = [
        line.split('"')[1] for line in main.read_text().splitlines() if line.startswith("Include ")
    ]
    return "".join(Path(path).read_text() for path in (str(main), *included))


@pytest.mark.parametrize("name", EDITED)
def test_change_of_apache_is_in_what_apache_reads(lab_stack: LabStack, name: str) -> None:
    assert apache(lab_stack, name) != apache(lab_stack, "as-planned")


def test_a_change_of_apache_is_that_one_and_no_other(lab_stack: LabStack) -> None:
    before = apache(lab_stack, "as-planned").splitlines()
    after = apache(lab_stack, "daemons-2x8").splitlines()
    changed = {
        (old, new)
        for old, new in zip(before, after, strict=True)
        if old != new and "Include" not in old
    }
    assert {
        (old.split(" display")[0].strip(), new.split(" display")[0].strip()) for old, new in changed
    } == {("processes=1 threads=8", "processes=2 threads=8")}


def test_a_line_that_is_no_longer_planned_is_refused_and_not_passed_over(
    lab_stack: LabStack,
) -> None:
    path = Path(lab_stack.plan.paths.conf, "apache/mpm.conf")
    path.chmod(0o644)
    path.write_text(path.read_text().replace("KeepAlive On", "KeepAlive Off"))
    with pytest.raises(ValueError, match="'KeepAlive On' is not in the planned file"):
        apache(lab_stack, "no-keep-alive")


def test_change_of_the_pooler_is_in_its_file(lab_stack: LabStack) -> None:
    postgres, pooler = (service(lab_stack) for service in CHANGES["pool-1"].strategy.services)
    text = Path(pooler.command[-1]).read_text()
    assert "default_pool_size = 1\n" in text
    assert "min_pool_size = 1\n" in text
    assert "--jit=off" not in postgres.command


def test_change_of_postgresql_is_in_its_command(lab_stack: LabStack) -> None:
    postgres = CHANGES["async-commit"].strategy.services[0](lab_stack)
    assert postgres.command[-1] == "--synchronous_commit=off"


def test_change_of_django_replaces_its_settings() -> None:
    assert CHANGES["no-middleware"].settings({"MIDDLEWARE": ["a"]}) == {"MIDDLEWARE": []}
    settings = gzip_first({"MIDDLEWARE": ["a", "django.middleware.gzip.GZipMiddleware", "b"]})
    assert settings == {"MIDDLEWARE": ["django.middleware.gzip.GZipMiddleware", "a", "b"]}


def test_each_change_has_a_name_of_its_own_and_a_meaning() -> None:
    assert next(iter(CHANGES)) == "as-planned"
    assert all(name == change.name and change.meaning for name, change in CHANGES.items())
    assert all(change.strategy.name == name for name, change in CHANGES.items())
