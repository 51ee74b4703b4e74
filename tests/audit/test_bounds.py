"""What the audit of odd code takes: memory, time, and files that are none."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fixtures.audit_command import APP, audit
from pgstack.audit import run, workers


def branches(count: int) -> str:
    """A report that is put together by so many conditions, as many projects have one."""
    conditions = "".join(
        f"    if wanted[{number}]:\n        sql += ' AND c{number} = 1'\n"
        for number in range(count)
    )
    start = "def report(cursor, wanted):\n    sql = 'LISTEN jobs; SELECT 1 WHERE true'\n"
    return f"{start}{conditions}    cursor.execute(sql)\n"


DOUBLING = (
    "def f(cursor):\n    sql = 'LISTEN jobs; SELECT 1'\n"
    + "    sql += sql\n" * 40
    + "    cursor.execute(sql)\n"
)


@pytest.mark.parametrize(
    ("text", "notices"), [(branches(60), [122 + 1]), (DOUBLING, [])], ids=["branches", "doubling"]
)
def test_code_that_puts_sql_together_takes_little_memory(
    tmp_path: Path, text: str, notices: list[int]
) -> None:
    (tmp_path / "report.py").write_text(text)
    limited = (
        f"import resource, runpy, sys; resource.setrlimit(resource.RLIMIT_AS, ({2 * 1024**3},) * "
        f"2); "
    )
    limited += (
        "sys.argv = ['audit', '--json']; runpy.run_module('pgstack.audit', run_name='__main__')"
    )
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(APP)}
    done = subprocess.run(
        [sys.executable, "-c", limited],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    report = json.loads(done.stdout)
    assert [finding["hazard"] for finding in report["findings"]] == ["H019"], done.stderr
    assert [(problem["line"], problem["severity"]) for problem in report["problems"]] == [
        (line, "notice") for line in notices
    ]
    assert all(problem["text"].startswith("too many variants") for problem in report["problems"])


def doubled(line: str) -> str:
    """Each name eight times the one before, forty times."""
    names = [line.format(number + 1, number) for number in range(40)]
    return f"v0 = 'SET ROLE a;'\n{''.join(names)}def f(cursor):\n    cursor.execute(v40)\n"


COSTLY = {
    "f-strings.py": doubled(
        "v{0} = f'{{v{1}}}{{v{1}}}{{v{1}}}{{v{1}}}{{v{1}}}{{v{1}}}{{v{1}}}{{v{1}}}'\n"
    ),
    "percent.py": doubled(
        "v{0} = '%s%s%s%s%s%s%s%s' % (v{1}, v{1}, v{1}, v{1}, v{1}, v{1}, v{1}, v{1})\n"
    ),
    "format.py": doubled("v{0} = '{{0}}{{0}}{{0}}{{0}}{{0}}{{0}}{{0}}{{0}}'.format(v{1})\n"),
    "itself.py": "def f(c):\n    s = ''\n" + "    s += f'{s} {s}'\n" * 300 + "    c.execute(s)\n",
    "comments.py": "NOTE = '''" + "-- a \n" * 60 + "/* b */ " * 60 + "set role a'''\n",
    "number.py": "def f(cursor):\n    cursor.execute('SELECT %s' % 0x" + "f" * 5000 + ")\n",
    "data.sql": "INSERT INTO t (a, b) VALUES (1, 'set');\n" * 40_000,
}
"""what takes more with each line"""


@pytest.mark.parametrize("name", COSTLY)
def test_what_grows_with_each_line_is_read_in_a_few_seconds(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name).write_text(COSTLY[name])
    monkeypatch.setattr(workers, "MOST_SECONDS", 8)
    monkeypatch.setattr(workers, "MOST_BYTES", 512 * 1024**2)
    report = run.audit([tmp_path / name], tmp_path)
    assert [problem.text for problem in report.problems if problem.severity != "notice"] == []


def test_a_pipe_with_the_name_of_a_module_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.py")
    assert "pipe.py:0  not read: it is not a file" in audit(tmp_path).stdout


def test_a_notice_fails_only_who_asks_for_notices(tmp_path: Path) -> None:
    (tmp_path / "report.py").write_text(branches(30).replace("LISTEN jobs; ", ""))
    assert audit(tmp_path, "--fail-on", "warning").returncode == 0
    assert audit(tmp_path, "--fail-on", "notice").returncode == 1
