"""A project in a Git repository, with all that one may ask for."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import attacks
import projects
from systemd_host import INPUTS

from fixtures import building, places

WANTED: dict[str, Any] = {
    "packages": ["hello"],
    "environment": {"SHOP_COUNTRY": 'N"L $1'},
    "secrets": {"SHOP_API_KEY": "it's 42"},
    "credentials": {"SHOP_TOKEN": "a token", "SHOP_OLD_TOKEN": "another"},
}
"""of version two"""
TOLD = """
import os, pathlib, subprocess


def told(request):
    pem = pathlib.Path("/etc/stack-secrets/shop.pem")
    file = pem.read_text() if pem.exists() else ""
    token = pathlib.Path(os.environ["SHOP_TOKEN_FILE"]).read_text()
    words = os.environ["SHOP_COUNTRY"], os.environ["SHOP_API_KEY"], token, file, subprocess.getoutput("hello")
    return HttpResponse("|".join(words))


urlpatterns.insert(0, path("told", told))
"""


def make(directory: Path) -> Path:
    """Version one has the tag v1; version two, which tells what it wants at /told, is the branch
    `next` and has the tag v2."""
    project = projects.make(directory / "shop", "one")
    attacks.probe(project)
    places.add(project / "config/urls.py")
    building.add(project, "demo")
    git(directory, "init", "--quiet", "--initial-branch=main")
    commit(directory, "v1")
    git(directory, "checkout", "--quiet", "-b", "next")
    urls = project / "config/urls.py"
    urls.write_text(urls.read_text().replace('HttpResponse("one")', 'HttpResponse("two")') + TOLD)
    commit(directory, "v2")
    return directory


def git(directory: Path, *words: str) -> str:
    """What Git prints there."""
    who = ("-c", "user.name=Shop", "-c", "user.email=shop@shop.example")
    return subprocess.run(
        ["git", *who, *words], cwd=directory, check=True, capture_output=True, text=True
    ).stdout


def commit(directory: Path, tag: str) -> None:
    """All that is there, under this tag."""
    git(directory, "add", "--all")
    git(directory, "commit", "--quiet", "--message", tag)
    git(directory, "tag", tag)


def inputs(source: str, **more: Any) -> dict[str, Any]:
    """What an inventory says of a project from there."""
    project = {
        "source": source,
        "directory": "shop",
        "requirements": "probe.txt",
        "commands": [["seed"]],
        "build": building.WORDS,
        **more,
    }
    return {**INPUTS, "project": project, "data": [places.VARIABLE]}


def git_inputs(shop: Path, version: str, **more: Any) -> dict[str, Any]:
    """The same of a version of the repository."""
    return inputs(f"file://{shop}", version=version, **more)
