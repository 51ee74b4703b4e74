"""Compose v2 and buildx for Debian 12, from the packages of Debian 13.

Only the two plugin binaries are taken out of their packages. apt's own settings stay as they are:
the other suite is known to a private apt state in a scratch directory alone.
"""

import shutil
import tempfile
from pathlib import Path

import debian
from debian import ToolError, say

NAMES = ("docker-compose", "docker-buildx")
"""The packages, and the plugins in them."""
DIRECTORY = Path("/usr/local/lib/docker/cli-plugins")
"""The folder for an administrator's own plugins: every Docker CLI looks there."""
SUITE = debian.SUPPORTED["13"]
"""Debian 12 has no Compose v2; the plugins of Debian 13 need only its libc (2.34 or later)."""
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


def archive() -> str:
    """Return the address of the Debian archive that this machine's apt uses.

    Raises:
        ToolError: apt knows no Debian archive.
    """
    fields = "$(ORIGIN)|$(LABEL)|$(COMPONENT)|$(REPO_URI)"
    listing = debian.run(["apt-get", "indextargets", "--format", fields, "Created-By: Packages"])
    for line in listing.splitlines():
        origin, label, component, address = line.split("|", 3)
        if (origin, label, component) == ("Debian", "Debian", "main"):
            return address
    raise ToolError(
        "apt knows no Debian archive.\n  Add Debian's main archive to /etc/apt and run this again."
    )


def private_apt(root: Path, address: str) -> list[str]:
    """Return an `apt-get` command that knows ``SUITE`` alone and keeps its state below ``root``."""
    (root / "lists/partial").mkdir(parents=True)
    (root / "archives/partial").mkdir(parents=True)
    source = f"deb [signed-by={KEYRING}] {address} {SUITE} main\n"
    (root / "sources.list").write_text(source, encoding="utf-8")
    settings = [
        f"Dir::Etc::SourceList={root}/sources.list",
        "Dir::Etc::SourceParts=-",
        "Dir::Etc::PreferencesParts=-",
        f"Dir::State::Lists={root}/lists",
        f"Dir::Cache={root}",
        "APT::Sandbox::User=root",
    ]
    return ["apt-get", "-qq", *(f"-o{setting}" for setting in settings)]


def install() -> None:
    """Put both plugins into ``DIRECTORY``.

    Raises:
        ToolError: the archive has no such suite, cannot be reached, or its packages hold no plugin.
    """
    say(f"  Compose v2 and buildx: plugins from the {SUITE} packages into {DIRECTORY}")
    debian.run(["apt-get", "update", "-qq"])
    with tempfile.TemporaryDirectory(prefix="engine-") as scratch:
        root = Path(scratch)
        apt = private_apt(root, archive())
        debian.run([*apt, "update"])
        # `download` saves into the working directory.
        debian.run(["env", f"--chdir={root}", *apt, "download", *NAMES])
        for package in root.glob("*.deb"):
            debian.run(["dpkg-deb", "--extract", str(package), str(root / "tree")])
        DIRECTORY.mkdir(parents=True, exist_ok=True)
        for name in NAMES:
            plugin = next((root / "tree").rglob(f"cli-plugins/{name}"), None)
            if plugin is None:
                raise ToolError(
                    f"the {SUITE} package {name} holds no CLI plugin.\n  Install the plugin by "
                    f"hand."
                )
            shutil.copy2(plugin, DIRECTORY / name)
