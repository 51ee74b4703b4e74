"""STACK_WORKERS: what it becomes, and one message for each kind of mistake."""

from __future__ import annotations

import pytest

from pgstack.errors import InputError
from pgstack.planning import config
from pgstack.planning.worker_input import WorkerInput


def refusal(text: str) -> str:
    with pytest.raises(InputError) as error:
        config.load({"STACK_WORKERS": text})
    assert len(str(error.value).splitlines()) == 1
    return str(error.value)


def test_a_name_and_a_command_are_enough() -> None:
    workers = config.load({"STACK_WORKERS": "mail=manage.py run_huey --workers 2"}).workers
    assert workers == (WorkerInput("mail", ("manage.py", "run_huey", "--workers", "2")),)


def test_what_stands_behind_a_name_is_told_by_its_shape() -> None:
    text = "celery:1x2:300m = celery -A shop worker; mail:INT:90s:4=manage.py run_huey ;"
    first, second = config.load({"STACK_WORKERS": text}).workers
    assert first == WorkerInput(
        "celery", ("celery", "-A", "shop", "worker"), 1, 2, memory=300 * 1024**2
    )
    assert second == WorkerInput(
        "mail", ("manage.py", "run_huey"), 4, 1, stop_signal="INT", grace=90
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("celery", "'celery' has no =; expected NAME=COMMAND"),
        ("Mail=a", "'Mail' is not the name of a worker"),
        ("=a", "'' is not the name of a worker"),
        ("m ail=a", "'m ail' is not the name of a worker"),
        (f"{'a' * 21}=a", "is not the name of a worker"),
        ("mail=a;mail=b", "two workers are named mail"),
        ("mail=", "mail has no command"),
        ("mail= ; x=y", "mail has no command"),
        ("mail=a 'b", "the command of mail cannot be split: No closing quotation"),
        ("mail:0=a", "mail has 0 processes; expected 1 to 64"),
        ("mail:65=a", "mail has 65 processes; expected 1 to 64"),
        ("mail:1x0=a", "mail has 0 threads; expected 1 to 64"),
        ("mail:2:2=a", "mail has two of processes: the second is 2"),
        ("mail:1m=a", "mail has 1m of memory; expected 16m or more"),
        ("mail:KILL=a", "mail has the signal KILL; expected TERM"),
        ("mail:0s=a", "mail has a grace of 0s; expected 1s to 3600s"),
        ("mail:3601s=a", "mail has a grace of 3601s; expected 1s to 3600s"),
        ("mail:fast=a", "mail:fast is not known; behind a name there may be 2 or 2x4"),
        ("mail:-1=a", "mail:-1 is not known"),
    ],
)
def test_each_mistake_has_its_message(text: str, reason: str) -> None:
    assert refusal(text).startswith(f"STACK_WORKERS={text}: ")
    assert reason in refusal(text)


def test_a_variable_of_a_worker_is_no_input() -> None:
    assert config.load({"STACK_WORKER": "mail"}).workers == ()
