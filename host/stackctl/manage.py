"""Management commands of a release: as the account that deploys, for code of a project never runs
as root.

STACK_RELEASE names another release than the one that serves. The environment that Ansible wrote is
read here, as systemd reads it, and not given to a shell (pgstack.environment_file).
"""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
import sys
from pathlib import Path

from pgstack import environment_file

from . import safe, stack
from .safe import StackctlError
from .stack import Stack

VERIFY = "stack_verify"
STRANGER, NO_GROUP = "nobody", "nogroup"
"""the account that every Debian has and nothing belongs to"""
STRANGER_SECONDS = 60
SIGNALLED = 128
"""a shell adds the number of the signal that ended a program"""


def main() -> None:
    """Become what the command wants; 2 when it cannot."""
    try:
        host = stack.read()
        release = Path(os.environ.get("STACK_RELEASE", host.root / "current"))
        command = [
            f"{release}/venv/bin/python",
            "-m",
            "pgstack" if host.project else "django",
            *sys.argv[1:],
        ]
        environment = _environment(host, release)
        if os.geteuid() == 0:
            if sys.argv[1:2] == [VERIFY]:
                command += _strangers(host, release)
            os.chdir(release / "project")
            sys.exit(_run_as(host.accounts.deploy, command, environment))
        os.chdir(release / "project")
        os.execve(command[0], command, environment)  # noqa: S606 - no shell is wanted
    except (StackctlError, OSError) as error:
        print(f"stack-manage: {error}", file=sys.stderr)
        sys.exit(2)


def _environment(host: Stack, release: Path) -> dict[str, str]:
    """What the project finds in its environment. Secrets only for those who may read them."""
    found = {**os.environ, **_own(host, release), "DJANGO_SETTINGS_MODULE": host.web.settings}
    for folder in (host.conf, Path(host.paths.secrets)):
        try:
            found |= environment_file.parse(safe.read(folder / "environment").decode())
        except (FileNotFoundError, PermissionError):
            continue
        except environment_file.LineError as error:
            raise StackctlError(
                f"{folder}/environment: {error} Run the playbook site.yml, which writes it."
            ) from None
    return found


def _own(host: Stack, release: Path) -> dict[str, str]:
    return {
        "STACK_PLAN": f"{host.conf}/plan.json",
        "STACK_RELEASE": str(release),
        "PYTHONPATH": f"{release}/project:{release}/app",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def _strangers(host: Stack, release: Path) -> list[str]:
    """What somebody found out whom the plan does not know, outside of the group of the sockets and
    in it."""
    words = []
    command = [f"{release}/venv/bin/python", "-m", "pgstack.live.verify"]
    for groups in ([], [host.accounts.group]):
        done = subprocess.run(
            command,
            env=_own(host, release),
            user=STRANGER,
            group=NO_GROUP,
            extra_groups=groups,
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
            timeout=STRANGER_SECONDS,
        )
        if done.returncode:
            raise StackctlError(
                f"as {STRANGER}: {(done.stderr.strip().splitlines() or ['no word'])[-1]}"
            )
        words.append(f"--strangers={done.stdout.strip()}")
    return words


def _run_as(account: str, command: list[str], environment: dict[str, str]) -> int:
    """Exit code of a command that runs as `account`.

    In a session of its own: who has root's terminal as its controlling one may type into it
    (ioctl_tty(2), TIOCSTI).
    """
    entry = pwd.getpwnam(account)
    child = subprocess.Popen(
        command,
        env={**environment, "HOME": entry.pw_dir, "USER": account, "LOGNAME": account},
        user=entry.pw_uid,
        group=entry.pw_gid,
        extra_groups=os.getgrouplist(account, entry.pw_gid),
        start_new_session=True,
    )
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received, _: child.send_signal(received))
    code = child.wait()
    return code if code >= 0 else SIGNALLED - code
