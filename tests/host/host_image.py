"""Images of hosts that have nothing of the stack."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from docker_engine import docker, require_engine

from fixtures.releases import BY_SUITE

CHECKOUT = Path(__file__).resolve().parents[2]
PACKAGES = "systemd systemd-sysv dbus openssh-server python3 python3-apt iproute2 procps"
NEEDED = (
    "locales perl libaprutil1-ldap libevent-2.1-7{t64} libipc-run-perl libnftables1 libxslt1.1 "
    "python3-dbus ssl-cert libcurl4{t64} libglib2.0-0{t64} python{python}-venv libpython{python} "
    "libllvm{llvm} libicu{icu}"
)
LARGE = {
    "bookworm": NEEDED.format(t64="", python=BY_SUITE["bookworm"].python, llvm=14, icu=72),
    "trixie": NEEDED.format(t64="t64", python=BY_SUITE["trixie"].python, llvm=19, icu=76),
}
"""what a host may have before: none of it is a server or a program of the stack, all of it takes
time to unpack"""
SHARED = "/etc/systemd/system/shared-mounts.service"
"""makes mounts as they are on a machine: an engine makes them private, and systemd's of credentials go unseen then"""
IDLE = "debug fstab getty gpt-auto hibernate-resume rc-local run ssh system-update tpm2"
"""generators of units that no container has: a third of each time that systemd reads its units"""
DOCKERFILE = f"""\
FROM debian:{{suite}}-slim
RUN echo force-unsafe-io > /etc/dpkg/dpkg.cfg.d/no-sync
RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends {PACKAGES} {{large}}
RUN printf '%s\\n' '[Unit]' DefaultDependencies=no Before=sysinit.target '[Service]' Type=oneshot RemainAfterExit=yes \\
    'ExecStart=/bin/mount --make-rshared /' '[Install]' WantedBy=sysinit.target > {SHARED} && systemctl enable {SHARED}
RUN mkdir /etc/systemd/system-generators && cd /lib/systemd/system-generators && for each in {IDLE}; do \
    [ ! -e systemd-$each-generator ] || ln -s /dev/null /etc/systemd/system-generators/systemd-$each-generator; done
"""


def debian_image(suite: str) -> None:
    """Have the engine know this Debian."""
    if docker("image", "inspect", f"debian:{suite}-slim", check=False).returncode:
        tool = f"/usr/bin/python3 tools/base_image.py {suite}"
        if os.geteuid():
            pytest.skip(f"the image debian:{suite}-slim is missing; run `{tool}` as root")
        made = subprocess.run(
            tool.split(), cwd=CHECKOUT, capture_output=True, text=True, check=False
        )
        assert made.returncode == 0, made.stderr


def image(suite: str) -> str:
    """Image of a host with nothing but systemd, SSH and Python."""
    require_engine()
    debian_image(suite)
    name = f"pgstack-host:{suite}"
    docker(
        "build",
        "--quiet",
        "--tag",
        name,
        "-",
        text=DOCKERFILE.format(suite=suite, large=LARGE.get(suite, "perl")),
    )
    return name
