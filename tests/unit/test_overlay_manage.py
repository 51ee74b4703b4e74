"""What manage.py of a project does before a command, and what its loading may not do."""

from __future__ import annotations

from pathlib import Path

import pytest

from fixtures import foreign
from fixtures.overlaid import refusal, settings
from pgstack.planning.background import MANAGE_MODULE

MANAGE = """
import os, sys
from pathlib import Path
print("a word of its own")
def main():
    os.environ["DJANGO_SETTINGS_MODULE"] = "shop.settings"
    os.environ.setdefault("SHOP_FROM_MANAGE", sys.argv[1])
    from django.core.management import execute_from_command_line
    sys.path.append(str(Path(__file__).resolve().parent / "apps"))
    execute_from_command_line(sys.argv)
if __name__ == "__main__":
    main()
"""


def test_what_manage_py_does_before_its_command_is_done_here_too(tmp_path: Path) -> None:
    more = 'import os\nINSTALLED_APPS.append("stock")\nX = os.environ["SHOP_FROM_MANAGE"]\n'
    project = foreign.make(tmp_path, more=more)
    (project / "manage.py").write_text(MANAGE)
    (project / "apps/stock").mkdir(parents=True)
    (project / "apps/stock/__init__.py").touch()
    assert foreign.told(project).returncode == 0, foreign.told(project).stderr
    code = (
        "import django; django.setup(); import stock; from django.conf import settings as s; "
        "print(s.X, s.DEBUG)"
    )
    done = foreign.told(project, "-c", code)
    assert done.stdout == "check False\n", done.stderr


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "import nowhere",
            (
                "manage.py: ModuleNotFoundError: No module named 'nowhere'. Its lines before the "
                "command"
            ),
        ),
        ("sys.exit('set SHOP_KEY')", "manage.py: it ends before it runs a command: set SHOP_KEY."),
        (
            "os.execl('/bin/true', 'true')",
            "manage.py: it ends before it runs a command: it replaces itself with /bin/true.",
        ),
    ],
)
def test_a_manage_py_that_does_not_get_to_its_command_is_refused(
    tmp_path: Path, line: str, said: str
) -> None:
    project = foreign.make(tmp_path)
    (project / "manage.py").write_text(
        MANAGE.replace("def main():\n", f"def main():\n    {line}\n")
    )
    assert said in refusal(project)


PREAMBLES = {
    "insert": "import os, sys\nsys.path.insert(0, "
    "os.path.join(os.path.dirname(os.path.abspath(__file__)), 'apps'))\n",
    "append": "import sys\nfrom pathlib import "
    "Path\nsys.path.append(str(Path(__file__).resolve().parent / 'apps'))\n",
    "working directory": "import os, sys\nsys.path.insert(0, os.path.join(os.getcwd(), 'apps'))\n",
    "relative": "import sys\nsys.path.append('apps')\n",
    "within main": "import sys\ndef main():\n    sys.path.append('apps')\n    execute()\n",
    "site": "import site\nsite.addsitedir('apps')\n",
}


ENDINGS = {
    "function": "from django.core.management import execute_from_command_line as execute\nif "
    "__name__ == '__main__':\n"
    "    main() if 'main' in globals() else execute()\n",
    "class": "from django.core.management import ManagementUtility\nexecute = lambda: "
    "ManagementUtility().execute()\n"
    "if __name__ == '__main__':\n    main() if 'main' in globals() else execute()\n",
}


def in_apps(directory: Path, preamble: str, ending: str = "function") -> Path:
    """A project whose apps lie in `apps/`, which only its manage.py knows."""
    project = foreign.make(directory, more='INSTALLED_APPS += ["carts"]\n')
    (project / "apps/carts").mkdir(parents=True)
    (project / "apps/carts/__init__.py").touch()
    (project / "manage.py").write_text(f"{PREAMBLES[preamble]}{ENDINGS[ending]}")
    return project


@pytest.mark.parametrize(
    ("preamble", "ending"), [*((name, "function") for name in PREAMBLES), ("insert", "class")]
)
def test_what_manage_py_does_to_the_path_of_modules_counts(
    tmp_path: Path, preamble: str, ending: str
) -> None:
    project = in_apps(tmp_path, preamble, ending)
    code = "import django, sys; django.setup(); import carts; print(carts.__file__, sys.argv)"
    done = foreign.told(project, "-c", code)
    assert done.stdout == f"{project}/apps/carts/__init__.py ['-c']\n", done.stderr


def test_the_variables_that_manage_py_sets_never_lead_to_another_database(tmp_path: Path) -> None:
    project = foreign.make(tmp_path, "DATABASE_URL or nothing")
    lines = (
        "import os\nos.environ.update(SHOP_GREETING='of manage.py', "
        "DATABASE_URL='postgres://elsewhere/x')\n"
    )
    (project / "manage.py").write_text(lines + ENDINGS["function"])
    greeting, databases = settings(project, "GREETING", "DATABASES")
    assert greeting == "of manage.py"
    assert databases["default"]["HOST"].endswith("/.stack/run/pooler")


LOGGING = """LOGGING = {"version": 1,
    "handlers": {"file": {"class": "logging.FileHandler", "filename": "/nowhere/x.log"}},
    "root": {"handlers": ["file"]}}
"""


BROKEN = {
    "logging": (
        "shop/settings.py",
        LOGGING,
        "'file', caused by FileNotFoundError: [Errno 2] No such file or",
    ),
    "app": (
        "shop/settings.py",
        'INSTALLED_APPS += ["carts"]\n',
        "ModuleNotFoundError: No module named 'carts'",
    ),
    "view": ("shop/urls.py", "from notes.models import Nothing\n", "Nothing' from 'notes.models'"),
    "check": (
        "notes/models.py",
        "class Empty(models.Model):\n    a = models.CharField(choices=3)\n",
        "fields.E004",
    ),
    "WSGI": (
        "shop/settings.py",
        'WSGI_APPLICATION = "shop.other"\n',
        "WSGI application 'shop.other'",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_project_that_cannot_be_loaded_is_refused_with_the_reason(
    tmp_path: Path, name: str
) -> None:
    file, more, words = BROKEN[name]
    project = foreign.make(tmp_path)
    path = next(project.rglob(file))
    path.write_text(path.read_text() + more)
    message = refusal(project)
    assert message.startswith(f"{project}: it cannot be loaded: ")
    assert words in message
    advice = (
        "The project has no requirements, so none were installed: name another file by "
        "STACK_REQUIREMENTS"
    )
    assert ("Fix it." in message) is (name != "app")
    assert (advice in message) is (name == "app")
    if name == "view":
        assert f"(shop/urls.py, line {len(path.read_text().splitlines())})" in message


def test_settings_may_look_into_settings_while_they_are_read(tmp_path: Path) -> None:
    more = """
from django.conf import settings
GREETING = f"hello from {settings.TIME_ZONE}"
"""
    project = foreign.make(tmp_path, more=more)
    done = foreign.told(project)
    assert done.returncode == 0, done.stderr
    code = (
        "from django.conf import settings; print(settings.GREETING, settings.DEBUG, "
        "settings.ROOT_URLCONF, settings.DATABASES['default']['ENGINE'])"
    )
    done = foreign.told(project, "-c", code)
    assert done.stdout.split("\n")[0] == "hello from Asia/Tokyo False shop.urls pgstack.db"


@pytest.mark.parametrize("name", ["init", "database"])
def test_a_command_of_the_project_may_have_a_name_that_the_stack_knows(
    tmp_path: Path, name: str
) -> None:
    project = foreign.make(tmp_path)
    commands = project / "apps/notes/management/commands"
    commands.mkdir(parents=True)
    (commands / f"{name}.py").write_text(
        "from django.core.management.base import BaseCommand\n"
        "class Command(BaseCommand):\n"
        "    def handle(self, **options):\n"
        "        print('of the project')\n"
    )
    done = foreign.told(project, "-m", MANAGE_MODULE, name)
    assert (done.returncode, done.stdout) == (0, "of the project\n"), done.stderr
