"""`make backup` and `make restore` on Compose: rows and files, kept together (docs/backups.md).

restic runs in a container that goes away again; nothing listens in it, and no other one reaches it.
PostgreSQL's programs run in its own. What goes between them goes through this process, unread.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import containers
import debian
import install
from debian import ToolError, say
from pgstack.errors import StackError
from pgstack.ops import passphrase, together
from pgstack.ops.destination import Destination
from pgstack.ops.restic import Repository
from pgstack.planning.services import postgres_program

POSTGRES = "postgres"
BACKUP, RESTORE = "backup", "restore"
"""services: the one may not write files, the other may give them to others"""
PROFILE = "--profile=backup"
MEDIA = "/var/lib/stack-media"
HOLDS = {
    POSTGRES: ("/var/lib/postgresql", "-name", "PG_VERSION"),
    RESTORE: (MEDIA, "-type", "f"),
}
"""how each volume is asked whether there is anything to lose"""
DIRECTORY, GIVEN = "/backups", "/run/backup"
"""places in their containers: of the repository, and of what opens it"""
IN_MEMORY = "/dev/shm"  # noqa: S108 - a directory of this account's own is made in it
AUTHORITIES = ("CA_BUNDLE", "/etc/ssl/certs/ca-certificates.crt")
"""whom this machine trusts, as compose.yaml has it: a bucket of one's own may have one's own"""
NETWORK = "BACKUP_NETWORK"
"""variable in compose.yaml: they have one only where a bucket is elsewhere"""
KEY_FILE = "[default]\naws_access_key_id={}\naws_secret_access_key={}\n"


def backup() -> None:
    """Keep rows and files of what runs. Raises ToolError, StackError."""
    wanted = _destination()
    stack = _stack()
    _build()
    if not wanted.host:
        _make_directory(Path(wanted.path))
    with _repository(wanted, BACKUP, make=True) as kept:
        kept.make()
        say(together.kept_text(together.save(stack, kept), _with_host_path(wanted, kept.place)))


def restore(name: str, overwrite: bool) -> None:
    """Start PostgreSQL with the rows of a backup and put its files in place, or the files alone
    where PostgreSQL is somebody else's; what was there before is kept. `up` starts the rest. Raises
    ToolError, StackError."""
    wanted = _destination()
    _build()
    with _repository(wanted, RESTORE, make=False) as kept:
        _require_room(overwrite)
        chosen = together.choose(kept, name, with_rows=not install.is_external())
        containers.require("compose", "down")
        if not install.is_external():
            containers.require("compose", "up", "--detach", "--wait", POSTGRES)
        together.bring_back(_stack(), kept, chosen, say)


def _destination() -> Destination:
    """Where the inputs want it. Raises ToolError in the planner's words."""
    done = containers.once("configure", "python", "-m", "pgstack.targets.backups")
    if done.returncode:
        raise ToolError(containers.last_words(done.stderr.decode(errors="replace")))
    return Destination(**json.loads(done.stdout))


def _build() -> None:
    """The image with restic, where it is not there yet or Debian has another. Raises ToolError."""
    containers.require("compose", PROFILE, "build", BACKUP)


def _make_directory(path: Path) -> None:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ToolError(f"STACK_BACKUP_PATH={path}: {error.strerror}.") from None


def _require_room(overwrite: bool) -> None:
    """Raise ToolError where data is there and replacing it was not allowed."""
    if overwrite:
        return
    # Compose makes the volumes before any container runs, so that they are there tells nothing.
    own = {service for service in HOLDS if service != POSTGRES or not install.is_external()}
    if any(_finds(service, *HOLDS[service]) for service in own):
        raise ToolError(
            "the volumes of the stack hold a database or files. `make restore OVERWRITE=yes` puts "
            "the backup in their place, and keeps what is there aside; nothing was changed."
        )


def _finds(service: str, *words: str) -> bool:
    done = containers.once(service, *words, "-print", "-quit", options=("--entrypoint=find",))
    if done.returncode:
        raise ToolError(containers.last_words(containers.output_of(done)))
    return bool(done.stdout)


@contextmanager
def _repository(wanted: Destination, service: str, make: bool) -> Iterator[Repository]:
    """The repository, opened by files that the container sees while its programs run: its
    environment, which the engine shows, names their places only. Raises ToolError, StackError."""
    place, options = wanted.place()
    keys = wanted.keys(os.environ)
    passphrase.read(say, make)
    mark = f"stack.backup={secrets.token_hex(8)}"
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as private:
        words = [
            f"--label={mark}",
            f"--volume={passphrase.path().resolve()}:{GIVEN}/passphrase:ro",
            f"--env=RESTIC_PASSWORD_FILE={GIVEN}/passphrase",
        ]
        if keys:
            os.environ[NETWORK] = "bridge"
            file = Path(private, "keys")
            file.touch(mode=0o600)
            file.write_text(KEY_FILE.format(*keys.values()))
            words += [
                f"--volume={file}:{GIVEN}/keys:ro",
                f"--env=AWS_SHARED_CREDENTIALS_FILE={GIVEN}/keys",
                f"--volume={os.environ.get(*AUTHORITIES)}:{GIVEN}/authorities:ro",
                f"--env=SSL_CERT_FILE={GIVEN}/authorities",
            ]
        else:
            words.append(f"--volume={place}:{DIRECTORY}")
        run = ("run", "--rm", "--no-deps", "--no-TTY", *words, service, "restic")
        program = ("docker", "compose", PROFILE, *run)
        at = place if keys else DIRECTORY
        try:
            yield Repository(
                at, {}, options, program, clean_environment=False, end=lambda: _end(mark)
            )
        except StackError as error:
            raise ToolError(_with_host_path(wanted, str(error))) from None


def _end(mark: str) -> None:
    """End the containers with this label."""
    listed = containers.run("ps", "--quiet", f"--filter=label={mark}")
    containers.run("kill", *listed.stdout.decode().split())


def _with_host_path(wanted: Destination, text: str) -> str:
    """With the directory's name on this machine."""
    return text if wanted.host else text.replace(DIRECTORY, wanted.path)


def _stack() -> together.Stack:
    """Raises ToolError where the stack's PostgreSQL does not run."""
    run = ("run", "--rm", "--no-deps", "--no-TTY", RESTORE, "python3")
    # A page may put a link in the place of a directory while it is read.
    files = together.Stack(
        tree=MEDIA,
        python=("docker", "compose", PROFILE, *run),
        reading=("--one-file-system",),
    )
    if install.is_external():
        return files
    postgres = containers.only_container(POSTGRES).id
    done = containers.execute(postgres, "cat", f"{containers.CONF}/plan.json")
    if done.returncode:
        raise ToolError(f"{containers.CONF}: {containers.last_words(containers.output_of(done))}")
    plan = containers.read_plan(done.stdout)
    return replace(
        files,
        database=plan.postgres.database,
        admin=plan.roles.admin,
        sockets=plan.paths.run_postgres,
        roles=f"{containers.CONF}/postgres/roles.sql",
        programs=("docker", "exec", "--interactive", postgres),
        directory=postgres_program(plan, ""),
    )


def work() -> None:
    """Do what the command line names."""
    os.chdir(containers.CHECKOUT)
    goal, *words = sys.argv[1:]
    try:
        with containers.exclusive():
            if goal == BACKUP:
                backup()
            else:
                restore(words[0], words[1] == "yes")
    except StackError as error:
        raise ToolError(str(error)) from None


if __name__ == "__main__":
    debian.main(sys.argv[1], work)
