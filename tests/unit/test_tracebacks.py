"""What of a traceback is worth a message."""

from __future__ import annotations

from pgstack.serving import tracebacks

CHAINED = """WARNING: before it
Traceback (most recent call last):
  File "/srv/shop/shop/logs.py", line 3, in setup
    open(path)
    ~~~~^^^^^^
FileNotFoundError: [Errno 2] No such file or directory: '/x'

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/srv/shop/.venv/lib/python3.13/site-packages/django/a.py", line 9, in b
    raise ValueError(...) from error
ValueError: Unable to configure handler 'file'
"""
SYNTAX = """Traceback (most recent call last):
  File "/usr/lib/python3.13/importlib/__init__.py", line 90, in import_module
  File "/srv/shop/shop/urls.py", line 7
    def broken(:
               ^
SyntaxError: invalid syntax
"""


def test_the_cause_and_the_projects_own_line_are_told() -> None:
    assert tracebacks.reason(CHAINED, "/srv/shop") == (
        "ValueError: Unable to configure handler 'file', caused by FileNotFoundError: [Errno 2] No "
        "such file or "
        "directory: '/x' (shop/logs.py, line 3)"
    )


def test_a_line_that_cannot_be_read_is_a_line_of_the_project() -> None:
    assert (
        tracebacks.reason(SYNTAX, "/srv/shop")
        == "SyntaxError: invalid syntax (shop/urls.py, line 7)"
    )
    assert tracebacks.reason(SYNTAX, "/srv/other") == "SyntaxError: invalid syntax"


def test_modules_before_an_exceptions_name_are_left_out_and_more_lines_stay() -> None:
    frame = '  File "/a.py", line 1, in a'
    text = f"{tracebacks.BEGINS}\n{frame}\ndjango.db.utils.DataError: a.b: c\nDETAIL: d\n/ is 500\n"
    assert tracebacks.reason(text, "/srv") == "DataError: a.b: c\nDETAIL: d\n/ is 500"


def test_output_without_a_traceback_is_told_as_it_is() -> None:
    assert tracebacks.reason("psql: no such role.\n", "/srv") == "psql: no such role"
