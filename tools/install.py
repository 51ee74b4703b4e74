"""What `make up` needs on this host: Debian's packages and the virtual environment.

Installs missing packages as root, and otherwise prints the exact command. No service of the
distribution is started, and no cluster of its own is made, on account of this.
"""

import contextlib
import hashlib
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import debian
from debian import ToolError, say

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
PYTHON = "/usr/bin/python3"
POLICY = Path("/usr/sbin/policy-rc.d")
CREATE_CLUSTER = Path("/etc/postgresql-common/createcluster.d/zz-pgstack.conf")
POSTGRESQL = {"12": "15", "13": "17"}
PYTHON_MINOR = {"12": "11", "13": "13"}


def packages(release: str) -> dict[str, str]:
    """Path that a package brings, and the package."""
    major = POSTGRESQL[release]
    return {
        f"/usr/lib/postgresql/{major}/bin/postgres": f"postgresql-{major}",
        "/usr/sbin/pgbouncer": "pgbouncer",
        "/usr/sbin/apache2": "apache2-bin",
        "/usr/lib/apache2/modules/mod_wsgi.so": "libapache2-mod-wsgi-py3",
        "/etc/mime.types": "media-types",
        f"/usr/lib/python3.{PYTHON_MINOR[release]}/ensurepip": "python3-venv",
    }


@contextlib.contextmanager
def nothing_starts() -> Iterator[None]:
    """Installing packages starts no service and makes no cluster meanwhile."""
    made = []
    for path, text, mode in (
        (POLICY, "#!/bin/sh\nexit 101\n", 0o755),
        (CREATE_CLUSTER, "create_main_cluster = false\n", 0o644),
    ):
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            path.chmod(mode)
            made.append(path)
    try:
        yield
    finally:
        for path in made:
            path.unlink()


def install_packages() -> None:
    """Install what is missing, or say how."""
    release = debian.version()
    if release is None:
        raise ToolError("this is not Debian 12 or 13; the local target runs their packages. Use TARGET=compose.")
    missing = [package for path, package in packages(release).items() if not Path(path).exists()]
    if not missing:
        return
    command = ["apt-get", "install", "-y", "--no-install-recommends", *missing]
    if os.geteuid() != 0:
        raise ToolError(f"missing packages: {' '.join(missing)}. As root: {' '.join(command)}")
    say(f"packages  installing {' '.join(missing)}")
    with nothing_starts():
        debian.run(["apt-get", "update", "-q"])
        debian.run(command, DEBIAN_FRONTEND="noninteractive")


def make_venv(requirements: str) -> None:
    """The virtual environment of Debian's Python: mod_wsgi runs no other."""
    wanted = ROOT / "requirements" / requirements
    stamp = VENV / f"{requirements}.sha256"
    digest = hashlib.sha256(wanted.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == digest:
        return
    say(f"python    installing requirements/{requirements} into .venv")
    configuration = VENV / "pyvenv.cfg"
    if configuration.exists() and "home = /usr/bin\n" not in configuration.read_text():
        shutil.rmtree(VENV)
    debian.run([PYTHON, "-m", "venv", str(VENV)])
    pip = [str(VENV / "bin/pip"), "install", "-q", "--disable-pip-version-check", "--require-hashes"]
    debian.run([*pip, "-r", str(wanted)])
    debian.run([str(VENV / "bin/python"), "-m", "compileall", "-q", str(ROOT / "app")])
    stamp.write_text(digest)


def install_browser() -> None:
    """Chromium for the browser tests, where it may be installed."""
    if not (shutil.which("chromium") or os.geteuid()):
        say("browser   installing chromium")
        debian.run(["apt-get", "update", "-q"])
        command = ["apt-get", "install", "-y", "--no-install-recommends", "chromium"]
        debian.run(command, DEBIAN_FRONTEND="noninteractive")


def work() -> None:
    """`install.py run` for the stack, `install.py dev` for tests and lint as well."""
    what = sys.argv[1]
    install_packages()
    make_venv(f"{what}.txt")
    if what == "dev":
        install_browser()


if __name__ == "__main__":
    debian.main("install", work)
