"""What tests ask the hosts of a cluster."""

from __future__ import annotations

import json
from collections.abc import Mapping

from systemd_host import SystemdHost


def secrets(host: SystemdHost) -> dict[str, str]:
    """What stands for a member's passwords and certificates."""
    ask = "cd /etc/stack-database; cat {} | sha256sum"
    names = {"passwords": "passwords/[ps]*", "server": "server.pem", "etcd": "etcd.pem"}
    return {name: host.run("sh", "-c", ask.format(files)).stdout for name, files in names.items()}


def request(host: SystemdHost, *words: str) -> str:
    """What a program on the host is told that knows the authority and nothing else."""
    ask = (
        "import ssl, sys, urllib.request as r\n"
        "trust = ssl.create_default_context(cafile='/etc/stack-database/authority.pem')\n"
        "data = [text.encode() for text in sys.argv[2:]]\n"
        "print(r.urlopen(r.Request(sys.argv[1], *data), timeout=5, context=trust).read())"
    )
    done = host.run("python3", "-c", ask, *words, check=False)
    return done.stdout + done.stderr


def etcd_leader(members: Mapping[str, SystemdHost]) -> str:
    """The member whose etcd leads the others."""
    ask = (
        "cd /etc/stack-database; etcdctl --cacert=authority.pem --cert=etcd.pem --key=etcd.key "
        "--endpoints=https://{}:2379 endpoint status --write-out=json"
    )
    for name, host in members.items():
        done = host.run("sh", "-c", ask.format(host.address()))
        (said,) = json.loads(done.stdout)
        if said["Status"]["leader"] == said["Status"]["header"]["member_id"]:
            return name
    raise AssertionError("etcd has no leader")
