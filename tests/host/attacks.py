"""What somebody tries who runs code as one of a host's lesser accounts."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from systemd_host import SystemdHost

OWNED = "/etc/owned-by"
"""what only root can make, and the account that had root make it"""
RAN_AS = "/tmp/ran-as-"
"""made by code of the project, with the number of the account that ran it"""
SECRETS = "/etc/stack-secrets"
STATIC = "/srv/stack/static"


def as_account(host: SystemdHost, account: str, script: str) -> bool:
    """Whether a script of the shell succeeds as this account."""
    return (
        host.run("runuser", "-u", account, "--", "sh", "-ec", script, check=False).returncode == 0
    )


def inside_django(host: SystemdHost, script: str, account: str = "app") -> bool:
    """Whether a script of the shell succeeds where code of the project runs, beside a daemon
    process, and as whom."""
    (process, *_) = daemons(host)
    become = (
        f"--reuid={account}",
        f"--regid={account}",
        "--init-groups",
        "--bounding-set=-all",
        "--no-new-privs",
    )
    place = ("nsenter", f"--target={process}", "--mount", "setpriv", *become)
    return host.run(*place, "sh", "-ec", script, check=False).returncode == 0


def daemons(host: SystemdHost) -> list[str]:
    """Numbers of Django's processes."""
    return host.run("pgrep", "--full", r"^\(wsgi:").stdout.split()


def of_apache(host: SystemdHost) -> dict[str, tuple[str, str]]:
    """Account and effective capabilities of each process of Apache's, the parent's first."""
    listed = host.run(
        "systemctl", "list-units", "--plain", "--no-legend", "--state=running", "stack-apache@*"
    ).stdout
    unit = listed.split()[0]
    parent = host.run("systemctl", "show", "--property=MainPID", "--value", unit).stdout.strip()
    processes = {}
    for process in (parent, *host.run("pgrep", "--parent", parent).stdout.split()):
        (held,) = re.findall(
            r"^CapEff:\s*(\w+)", host.run("cat", f"/proc/{process}/status").stdout, re.MULTILINE
        )
        processes[process] = (
            host.run("stat", "--format=%U", f"/proc/{process}").stdout.strip(),
            held,
        )
    return processes


def owned(host: SystemdHost) -> list[str]:
    """What root was made to make, which is taken away again."""
    paths = host.run("sh", "-c", f"ls -d {OWNED}* || true").stdout.split()
    host.run("rm", "-rf", *paths, "/nonexistent")
    return paths


def plant_environment(host: SystemdHost) -> None:
    """The account that deploys puts its own file in the place of what root's stack-manage reads."""
    file = f"{SECRETS}/environment"
    as_account(
        host, "deploy", f"rm -f {file}; echo 'touch {OWNED}-deploy' > {file}; chmod 444 {file}"
    )


def plant_mark(host: SystemdHost) -> None:
    """Django's account puts links where an instance is told to drain."""
    for instance in "ab":
        for place in (f"/run/stack/apache-{instance}/drain", f"/run/stack/apache-{instance}.drain"):
            as_account(host, "app", f"ln -sfT {OWNED}-app {place}")


def plant_static(host: SystemdHost, *names: str) -> None:
    """The account that deploys has static files of the next release go elsewhere."""
    host.run("install", "-d", f"{OWNED}-static")
    for name in names:
        as_account(
            host,
            "deploy",
            f"mv -T {STATIC}/{name} {STATIC}/.{name}; ln -sT {OWNED}-static {STATIC}/{name}",
        )
    as_account(
        host,
        "deploy",
        "for at in /srv/stack/releases/*/static; do ln -sfT /etc/shadow $at/trap.css; done",
    )


def probe(project: Path) -> None:
    """Let the project's requirements run code while they are installed, and record what it could
    reach."""
    (project / "probe").mkdir()
    (project / "probe/setup.py").write_text(SETUP)
    (project / "probe.txt").write_text("./probe\n")
    settings = project / "config/settings.py"
    settings.write_text(
        f"{settings.read_text()}\nimport os\nopen(f'{RAN_AS}{{os.geteuid()}}', 'a').close()\n"
    )
    urls = project / "config/urls.py"
    urls.write_text(urls.read_text() + PAGE)


def results(host: SystemdHost) -> dict[str, Any]:
    """What the installation found."""
    told: dict[str, Any] = json.loads(host.page("/probed"))
    return told


def ran_as(host: SystemdHost) -> set[str]:
    """Names of the accounts in which code of the project or of its requirements has run, outside of
    Apache."""
    numbers = host.run("sh", "-c", f"ls -d {RAN_AS}*").stdout.replace(RAN_AS, "").split()
    return {host.run("id", "-nu", number).stdout.strip() for number in numbers}


PAGE = """

def probed(request):
    import probe_found
    from django.http import JsonResponse
    return JsonResponse(probe_found.FOUND)


urlpatterns.insert(0, path("probed", probed))
"""
SETUP = f"""
import getpass, grp, os, socket, sys
from setuptools import setup


def can(attempt, *words):
    try:
        attempt(*words)
    except OSError as error:
        return error.strerror
    return "possible"


def connect(path):
    with socket.socket(socket.AF_UNIX) as one:
        one.connect(path)


found = {{
    "account": getpass.getuser() if os.geteuid() else "root",
    "groups": sorted(grp.getgrgid(number).gr_name for number in os.getgroups()),
    "secret key": can(open, "{SECRETS}/django_secret_key"),
    "PostgreSQL": can(connect, "/run/stack/postgres/.s.PGSQL.5432"),
    "PgBouncer": can(connect, "/run/stack/pooler/.s.PGSQL.6432"),
    "media": can(open, "/var/lib/stack-media/public/probe", "w"),
    "release": can(open, "/srv/stack/releases/probe", "w"),
    "environment": sorted(name for name in os.environ if "SHOP" in name),
}}
open("probe_found.py", "w").write(f"FOUND = {{found!r}}")
open("probe.pth", "w").write("import os; open(f'{RAN_AS}{{os.geteuid()}}', 'a').close()\\n")
packages = f"lib/python{{sys.version_info.major}}.{{sys.version_info.minor}}/site-packages"
setup(name="probe", version="1", py_modules=["probe_found"], data_files=[(packages, ["probe.pth"])])
"""
