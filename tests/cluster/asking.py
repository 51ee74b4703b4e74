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
        if said["Status"].get("leader") == said["Status"]["header"]["member_id"]:
            return name
    raise AssertionError("etcd has no leader")


def etcd_refusals(host: SystemdHost, seconds: float) -> str:
    """What a member's etcd says to who asks it without a pause, other than answers, and that it is
    not available, upon which Patroni asks another one."""
    ask = (
        "import http.client, json, ssl, sys, threading, time\n"
        "trust = ssl.create_default_context(cafile='/etc/stack-database/authority.pem')\n"
        "trust.load_cert_chain(*('/etc/stack-database/etcd.' + end for end in ('pem', 'key')))\n"
        "said, over = set(), time.monotonic() + float(sys.argv[2])\n"
        "def ask():\n"
        "    etcd = http.client.HTTPSConnection(sys.argv[1], 2379, context=trust, timeout=5)\n"
        "    while time.monotonic() < over:\n"
        "        try:\n"
        "            etcd.request('POST', '/v3/kv/range', '{\"key\": \"eA==\"}')\n"
        "            answer = etcd.getresponse()\n"
        "            body = answer.read()\n"
        "        except (OSError, http.client.HTTPException):\n"
        "            etcd.close()\n"
        "            time.sleep(0.01)\n"
        "            continue\n"
        "        if answer.status != 200 and json.loads(body).get('code') != 14:\n"
        "            said.add(body.decode())\n"
        "threads = [threading.Thread(target=ask) for _ in range(8)]\n"
        "[thread.start() for thread in threads]\n"
        "[thread.join() for thread in threads]\n"
        "print(*said, sep='\\n', end='')\n"
    )
    return host.run("python3", "-c", ask, host.address(), str(seconds)).stdout
