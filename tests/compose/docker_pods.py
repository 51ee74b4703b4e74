"""Pods of the manifests for Kubernetes on a Docker engine: the same images, accounts, mounts, rights,
probes and order. What only a kubelet does is not in it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from compose_stack import ComposeStack

START_SECONDS = 60
MEMORY_VOLUME = ("--driver=local", "--opt=type=tmpfs", "--opt=device=tmpfs")


@dataclass(frozen=True)
class Pod:
    """One pod: what holds its network and its volumes, and its containers."""

    stack: ComposeStack
    """whose images it is made of, and in whose network it is"""
    name: str
    port: int
    """of this machine, at which its site answers"""
    spec: dict[str, Any]
    given: Path
    """directory with one of files for each secret"""

    def start(self) -> list[str]:
        """Returns what those said that end before the web starts."""
        self._hold()
        said = [self._begin(container) for container in self.spec["initContainers"]]
        (web,) = self.spec["containers"]
        self._run(web, "--detach")
        for probe in ("startupProbe", "readinessProbe"):
            self.wait(web[probe]["httpGet"]["path"])
        return said

    def ask(self, path: str) -> int:
        """Status of a page, as a probe asks; 0 where nobody answers."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=15)
        try:
            connection.request("GET", path, headers={"Host": "shop.example"})
            return connection.getresponse().status
        except OSError:
            return 0
        finally:
            connection.close()

    def wait(self, path: str = "/readyz") -> None:
        """Until that page is answered."""
        deadline = time.monotonic() + START_SECONDS
        while (status := self.ask(path)) != 200:
            logs = self.stack.run("docker", "logs", f"{self.name}-web", check=False)
            assert time.monotonic() < deadline, f"{path}: {status}\n{logs.stderr[-3000:]}"
            time.sleep(0.3)

    def execute(self, container: str, *command: str) -> CompletedProcess[str]:
        return self.docker("exec", f"{self.name}-{container}", *command, check=False)

    def end(self) -> tuple[int, int]:
        """As a kubelet does; returns the status of the web and of PgBouncer."""
        (web,) = self.spec["containers"]
        self.execute("web", *web["lifecycle"]["preStop"]["exec"]["command"])
        grace = self.spec["terminationGracePeriodSeconds"]
        statuses = []
        for container in ("web", "pgbouncer"):
            self.docker("stop", f"--time={grace}", f"{self.name}-{container}")
            told = self.docker("inspect", "-f", "{{.State.ExitCode}}", f"{self.name}-{container}")
            statuses.append(int(told.stdout))
        return statuses[0], statuses[1]

    def remove(self) -> None:
        """Its containers and volumes."""
        label = self._label
        for kind, list_, remove in (
            ("container", ("ls", "--all"), ("rm", "--force", "--volumes")),
            ("volume", ("ls",), ("rm",)),
        ):
            listed = self.docker(kind, *list_, "--quiet", "--filter", f"label={label}")
            if names := listed.stdout.split():
                self.docker(kind, *remove, *names)

    def docker(self, *words: str, check: bool = True) -> CompletedProcess[str]:
        return self.stack.run("docker", *words, check=check)

    @property
    def _label(self) -> str:
        return f"pod={self.name}"

    @property
    def _marks(self) -> tuple[str, str]:
        """Its own, and that by which the project finds what was left."""
        return f"--label={self._label}", f"--label=com.docker.compose.project={self.stack.project}"

    def _hold(self) -> None:
        """Memory of a volume is gone when nobody has it: the container of the network has all."""
        volumes = [name for name, source in self._sources() if source != str(self.given / name)]
        options = ("--opt", "o=uid=0,gid=5000,mode=2777,size=64m")
        for name in volumes:
            place = f"{self.name}-{name}"
            self.docker("volume", "create", *MEMORY_VOLUME, *options, *self._marks, place)
        mounts = [f"--volume={self.name}-{name}:/hold/{name}" for name in volumes]
        network = f"--network={self.stack.project}_default"
        publish = f"--publish=127.0.0.1:{self.port}:8000"
        words = ("run", "--detach", f"--name={self.name}", *self._marks, network, publish, *mounts)
        image = f"{self.stack.project}-pgbouncer"
        self.docker(*words, "--entrypoint=sleep", image, "infinity")

    def _sources(self) -> Iterator[tuple[str, str]]:
        for volume in self.spec["volumes"]:
            name = volume["name"]
            yield name, f"{self.name}-{name}" if "emptyDir" in volume else str(self.given / name)

    def _begin(self, container: dict[str, Any]) -> str:
        if container.get("restartPolicy") != "Always":
            done = self._run(container, "--rm")
            return done.stdout + done.stderr
        self._run(container, "--detach")
        deadline = time.monotonic() + START_SECONDS
        probe = container["startupProbe"]["exec"]["command"]
        while (said := self.execute(container["name"], *probe)).returncode:
            assert time.monotonic() < deadline, said.stderr
            time.sleep(0.3)
        return ""

    def _run(self, container: dict[str, Any], *options: str) -> CompletedProcess[str]:
        context, sources = container["securityContext"], dict(self._sources())
        first, *further = [*container.get("command", []), *container.get("args", [])] or [""]
        memory = container["resources"]["limits"]["memory"].replace("Mi", "m")
        assert (context["readOnlyRootFilesystem"], context["capabilities"]) == (
            True,
            {"drop": ["ALL"]},
        )
        words = [
            *("run", f"--name={self.name}-{container['name']}", *options, *self._marks),
            *(f"--network=container:{self.name}", "--group-add=5000", f"--memory={memory}"),
            f"--user={context['runAsUser']}:{context['runAsGroup']}",
            *("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges"),
            *(f"--env={entry['name']}={entry['value']}" for entry in container.get("env", [])),
            *(
                f"--volume={sources[mount['name']]}:{mount['mountPath']}"
                + (":ro" if mount.get("readOnly") else "")
                for mount in container["volumeMounts"]
            ),
            *([f"--entrypoint={first}"] if first else []),
            container["image"].replace("pgstack", self.stack.project),
        ]
        done = self.docker(*words, *further, check=False)
        if done.returncode:
            pytest.fail(f"{container['name']}: {done.stdout[-3000:]}{done.stderr[-3000:]}")
        return done
