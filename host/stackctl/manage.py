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
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pgstack import environment_file
from pgstack.planning.background import MANAGE_MODULE

from . import safe, stack
from .safe import StackctlError
from .stack import CREDENTIALS, Stack

VERIFY = "stack_verify"
DIRECTORY = "CREDENTIALS_DIRECTORY"
"""variable of systemd.exec(5)"""
STRANGER, NO_GROUP = "nobody", "nogroup"
"""the account that every Debian has and nothing belongs to"""
STRANGER_SECONDS = 60
UMASK = 0o002
"""pages and workers, who share a group with it, may change what it writes"""
SIGNALLED = 128
"""a shell adds the number of the signal that ended a program"""


def main(plan: str) -> None:
    """Become what the command wants; 2 when it cannot."""
    try:
        host = stack.read(plan)
        release = Path(os.environ.get("STACK_RELEASE", host.root / "current"))
        command = [
            f"{release}/venv/bin/python",
            "-m",
            MANAGE_MODULE if host.project else "django",
            *sys.argv[1:],
        ]
        environment = _environment(host, release)
        if os.geteuid() == 0:
            if sys.argv[1:2] == [VERIFY]:
                command += _strangers(host, release)
            os.chdir(release / "project")
            with _credentials(host) as place:
                sys.exit(_run_as(host.accounts.deploy, command, {**environment, DIRECTORY: place}))
        os.chdir(release / "project")
        os.execve(command[0], command, environment)  # noqa: S606 - no shell is wanted
    except (StackctlError, OSError) as error:
        print(f"{Path(sys.argv[0]).name}: {error}", file=sys.stderr)
        sys.exit(2)


def _environment(host: Stack, release: Path) -> dict[str, str]:
    """What the project finds in its environment, but for what is secret."""
    environment = {
        **os.environ,
        **_release_environment(host, release),
        "DJANGO_SETTINGS_MODULE": host.web.settings,
    }
    environment.pop(DIRECTORY, None)  # another unit's
    try:
        return environment | environment_file.parse(safe.read(host.conf / "environment").decode())
    except FileNotFoundError:
        return environment
    except environment_file.LineError as error:
        raise StackctlError(
            f"{host.conf}/environment: {error} Run the playbook site.yml, which writes it."
        ) from None


@contextmanager
def _credentials(host: Stack) -> Iterator[str]:
    """The project's secrets in memory, for the account that deploys, as systemd gives them to
    Apache's unit.

    Only root can: they are missing where that account calls by itself.
    """
    secrets, group = Path(host.paths.secrets), host.accounts.deploy
    with tempfile.TemporaryDirectory(prefix="stack-manage-", dir="/run") as place:
        os.chown(place, 0, pwd.getpwnam(group).pw_gid)
        Path(place).chmod(0o750)
        credentials = {
            f"project_{name}": text for name, text in safe.contents(secrets / CREDENTIALS).items()
        }
        for name, text in {
            **credentials,
            "environment": safe.read(secrets / "environment"),
        }.items():
            safe.write(Path(place, name), text, 0o440, group=group)
        yield place


def _release_environment(host: Stack, release: Path) -> dict[str, str]:
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
    enter = [host.accounts.site] if host.accounts.site else []
    for groups in (enter, [*enter, host.accounts.group]):
        done = subprocess.run(
            command,
            env=_release_environment(host, release),
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
                f"as {STRANGER}: {(done.stderr.strip().splitlines() or ['no output'])[-1]}"
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
        umask=UMASK,
    )
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received, _: child.send_signal(received))
    code = child.wait()
    return code if code >= 0 else SIGNALLED - code
