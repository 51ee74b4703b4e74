"""A cluster of PostgreSQL's next version, in a container beside the server that runs (`make
upgrade`)."""

from __future__ import annotations

from dataclasses import dataclass

import containers
from pgstack.ops import major

VOLUME = "/var/lib/postgresql"
UNFINISHED = "upgrading"
"""a file beside a cluster that has not all rows yet; the image's entry point looks for it"""
PLACE = "/tmp"  # noqa: S108 - the container's own memory


@dataclass(frozen=True)
class Wanted:
    """What the inputs give with the images of now (pgstack.targets.next_version)."""

    version: int
    directory: str
    database: str
    admin: str
    port: int
    sockets: str
    conf: str
    roles: str


@dataclass(frozen=True)
class Cluster:
    """One of the new version, in the container of its server."""

    wanted: Wanted
    name: str
    container: str

    @property
    def data(self) -> str:
        """Directory of its data."""
        return f"{VOLUME}/{self.wanted.version}/{self.name}"

    @property
    def unfinished(self) -> str:
        """A file that is there until it has all rows; the image's entry point looks for it."""
        return f"{VOLUME}/{self.wanted.version}/{UNFINISHED}"

    def run(self, *words: str) -> str:
        """What a program there prints. Raises ToolError."""
        return containers.require("exec", self.container, *words)

    def control(self, *words: str) -> None:
        """Start or stop it. Raises ToolError."""
        options = (f"--pgdata={self.data}", f"--log={PLACE}/log", "--wait")
        self.run(f"{self.wanted.directory}pg_ctl", *options, *words)

    def create(self) -> None:
        """Make it, empty, and start it. Raises ToolError."""
        number = str(self.wanted.version)
        self.run("pg_createcluster", f"--datadir={self.data}", number, self.name)
        link = (f"{self.wanted.conf}/postgres/pgstack.conf", f"{VOLUME}/etc/{number}/{self.name}")
        self.run("ln", "--symbolic", link[0], f"{link[1]}/conf.d/pgstack.conf")
        files = {
            "scratch.conf": major.settings(PLACE, self.wanted.port, {}),
            "pg_hba.conf": major.HBA,
            "pg_ident.conf": f"upgrade postgres {self.wanted.admin}\n",
            "roles.sql": self.wanted.roles,
        }
        for name, text in files.items():
            given = ("exec", "--interactive", self.container, "sh", "-c", 'cat > "$0"')
            containers.require(*given, f"{PLACE}/{name}", given=text.encode())
        self.control(f"--options=-c config_file={PLACE}/scratch.conf", "start")

    def drop(self) -> None:
        """Stop and delete it, or what is left of one."""
        stop = (f"{self.wanted.directory}pg_ctl", f"--pgdata={self.data}", "--mode=immediate")
        containers.execute(self.container, *stop, "stop")
        places = (self.data, f"{VOLUME}/etc/{self.wanted.version}/{self.name}")
        containers.execute(self.container, "rm", "--recursive", "--force", *places)

    def is_complete(self) -> bool:
        """Whether it was made, to its end."""
        words = ("sh", "-c", 'test -e "$0" && ! test -e "$1"', self.data, self.unfinished)
        return containers.execute(self.container, *words).returncode == 0
