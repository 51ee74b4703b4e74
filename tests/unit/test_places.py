"""Where a project may write, what it finds there, and how its database sorts."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from fixtures import foreign, places
from pgstack.errors import InputError
from pgstack.overlay import environment
from pgstack.planning import locales
from pgstack.planning.config import load
from pgstack.serving import confine, unwritable

HAVE = {"C.UTF-8", "de_DE.UTF-8"}
NO_LANDLOCK = "this kernel has no Landlock; take one that is built with it, as Debian's are"


@pytest.mark.parametrize(
    "text", ["C.UTF-8", "de_DE.UTF-8", "de_DE.UTF-8@euro", "icu:de", "icu:de-u-co-phonebk"]
)
def test_a_sort_order_is_taken_as_it_is_written(text: str) -> None:
    assert load({"STACK_LOCALE": text}).locale == text


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("de-DE-x-icu", "icu:de-DE"),
        ("de_DE", "de_DE.UTF-8"),
        ("de_DE.utf8", "de_DE.UTF-8"),
        ("de'; DROP", ""),
    ],
)
def test_another_word_is_refused_with_what_was_meant(text: str, meant: str) -> None:
    with pytest.raises(InputError) as error:
        load({"STACK_LOCALE": text})
    assert f"STACK_LOCALE={text}: expected C.UTF-8, icu:de-DE or de_DE.UTF-8" in str(error.value)
    assert (f"did you mean {meant}?" in str(error.value)) == bool(meant)


def test_containers_have_no_locale_of_a_country() -> None:
    assert load({"STACK_LOCALE": "icu:de", "STACK_TARGET": "compose"}).locale == "icu:de"
    with pytest.raises(
        InputError, match=r"STACK_LOCALE=de_DE\.UTF-8: the image has no .* Take icu:de-DE"
    ):
        load({"STACK_LOCALE": "de_DE.UTF-8", "STACK_TARGET": "compose"})


@pytest.mark.parametrize(
    ("wanted", "had", "refused"),
    [
        ("C.UTF-8", "", ""),
        ("icu:de", "", ""),
        ("de_DE.UTF-8", "", ""),
        ("icu:de-DE", "icu:de-DE", ""),
        ("fr_FR.UTF-8", "", "STACK_LOCALE=fr_FR.UTF-8: this machine does not have it"),
        (
            "icu:de",
            "C.UTF-8",
            "STACK_LOCALE=icu:de: the database was made with C.UTF-8, and cannot change it.",
        ),
    ],
)
def test_what_cannot_be_had_is_refused(wanted: str, had: str, refused: str) -> None:
    said = locales.refusal(wanted, had, HAVE)
    assert said.startswith(refused)
    assert bool(said) == bool(refused)


def test_the_machine_says_names_in_its_own_way() -> None:
    assert locales.named(["C", "de_DE.utf8", "de_DE@euro"]) >= {"C.UTF-8", "de_DE.UTF-8"}


def test_each_account_has_a_home_of_its_own(tmp_path: Path) -> None:
    plan = foreign.plan(tmp_path, target="host", data="SHOP_DATA", hosts="shop.example")
    web, deploy, build = (environment.process(plan, name) for name in ("app", "deploy", "build"))
    assert (web["HOME"], web["XDG_CACHE_HOME"]) == (
        "/var/cache/stack/app",
        "/var/cache/stack/app/.cache",
    )
    assert deploy["HOME"] == "/var/cache/stack/deploy"
    assert web["PATH"] == f"{sys.prefix}/bin:/usr/local/bin:/usr/bin:/bin"
    assert web["SHOP_DATA"] == build["SHOP_DATA"] == "/var/lib/stack-media/data/SHOP_DATA"
    assert "HOME" not in build


@pytest.mark.parametrize("name", ["shop-data", "1X", "A=B"])
def test_what_is_no_name_of_a_variable_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="is not the name of a variable, such as DATA_DIR"):
        load({"STACK_DATA": name, "STACK_PROJECT": "shop"})


def test_variables_for_the_demo_are_refused() -> None:
    with pytest.raises(InputError, match="STACK_DATA needs STACK_PROJECT"):
        load({"STACK_DATA": "SHOP_DATA"})


WRITES = """
import os, pathlib
for place in {places}:
    for make in (lambda: (place / "file").write_text("x"), lambda: (place / "made").mkdir(),
                 lambda: (place / "link").symlink_to("x"), lambda: os.truncate(place / "there", 0),
                 lambda: (place / "there").rename(place / "gone")):
        try:
            make()
            print("done", end=" ")
        except PermissionError:
            print("refused", end=" ")
"""


def test_a_confined_program_writes_where_it_may_and_reads_everywhere(tmp_path: Path) -> None:
    allowed, other = tmp_path / "allowed", tmp_path / "other"
    for place in (allowed, other):
        place.mkdir()
        (place / "there").touch()
    code = WRITES.format(places=f"map(pathlib.Path, ({str(allowed)!r}, {str(other)!r}))")
    package = str(Path(confine.__file__).parent)
    begin = f"import sys; sys.path.insert(0, {package!r}); import confine; "
    begin += f"print(confine.confine([{str(allowed)!r}]));"
    done = subprocess.run(
        [sys.executable, "-c", begin + code], capture_output=True, text=True, check=True
    )
    if done.stdout.startswith("False"):
        pytest.skip(NO_LANDLOCK)
    assert done.stdout.split() == ["True", *["done"] * 5, *["refused"] * 5]
    assert (other / "there").exists()


def test_the_program_that_it_becomes_is_confined(tmp_path: Path) -> None:
    words = [
        sys.executable,
        confine.__file__,
        str(tmp_path),
        "/bin/sh",
        "-c",
        'echo x > "$0"/x; echo x > "$1"/x',
    ]
    place = Path("/var/tmp")
    done = subprocess.run(
        [*words, str(tmp_path), str(place)], capture_output=True, text=True, check=False
    )
    if "no Landlock" in done.stderr:
        pytest.skip(NO_LANDLOCK)
    assert (tmp_path / "x").read_text() == "x\n"
    assert done.returncode != 0


LOGGING = """
LOGGING = {"version": 1, "handlers": {"file": {"class": "logging.FileHandler", "filename": BASE_DIR / "shop.log"}},
    "root": {"handlers": ["file"]}}
"""


def test_a_log_file_in_the_project_is_refused_before_it_is_served() -> None:
    serve = Path(confine.__file__).with_name("serve.py")
    with tempfile.TemporaryDirectory(
        prefix="project-", dir="/var/tmp"
    ) as name:  # where nothing may be written
        project = foreign.make(Path(name) / "shop", "plain DATABASES", LOGGING)
        done = foreign.told(
            project, "-m", "pgstack.serving.trial", str(serve), "localhost", "/healthz"
        )
        if done.returncode == 0:
            pytest.skip(NO_LANDLOCK)
        assert not (project / "shop.log").exists()
    assert f"PermissionError: [Errno 13] Permission denied: '{project}/shop.log'" in done.stderr
    assert places.remedy(str(project)) in done.stderr


@pytest.mark.parametrize("number", [13, 30])
def test_a_page_that_could_not_write_is_told_the_directory_and_the_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    plan = foreign.plan(tmp_path)
    monkeypatch.setattr(unwritable, "current_plan", lambda: plan)
    cause, error = (
        OSError(number, os.strerror(number), str(tmp_path / "index/segment")),
        RuntimeError("no index"),
    )
    error.__cause__ = cause
    monkeypatch.setattr(sys, "exc_info", lambda: (type(error), error, None))
    unwritable.explain()
    assert cause.__notes__[0].startswith(places.remedy(str(tmp_path / "index")))


def test_a_file_that_could_not_be_read_is_no_question_of_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = tmp_path / "closed"
    closed.touch()
    monkeypatch.setattr(os, "access", lambda _path, _mode: False)
    error = PermissionError(13, "Permission denied", str(closed))
    monkeypatch.setattr(sys, "exc_info", lambda: (type(error), error, None))
    unwritable.explain()
    assert not hasattr(error, "__notes__")
