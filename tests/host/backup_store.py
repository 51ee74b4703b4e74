"""Where backups go when they leave the host: an S3 bucket over TLS and an account for SFTP, in one
container.

Debian's moto keeps what it is given in memory and speaks S3; it looks at no key. Its own TLS ends
connections without saying so, which pgBackRest takes for an attack: nginx is in front of it.
"""

from __future__ import annotations

import re
import ssl
import time
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from docker_engine import address, docker
from host_image import image
from systemd_host import LIFETIME_SECONDS

from fixtures import certificates
from fixtures.releases import NEWEST_SUITE

NAME = "store.example"
BUCKET = "shop-backups"
ACCOUNT = "backups"
START_SECONDS = 60
DOCKERFILE = f"""\
FROM {{image}}
RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \\
    nginx-light openssh-server python3-flask python3-flask-cors python3-moto
RUN useradd --create-home {ACCOUNT} && install -d -o {ACCOUNT} -m 700 /srv/backups /home/{ACCOUNT}/.ssh
RUN install -d /run/sshd && printf 'Match User {ACCOUNT}\\n  ForceCommand internal-sftp\\n' >> /etc/ssh/sshd_config
"""
IN_THE_PATH = "--env=S3_IGNORE_SUBDOMAIN_BUCKETNAME=true"
"""moto looks for a bucket's name in the path only, and not in that of the host"""
NGINX = """
events {}
http {
    client_max_body_size 0;
    server {
        listen 443 ssl; ssl_certificate /store/certificate.pem; ssl_certificate_key /store/key.pem;
        location / { proxy_pass http://127.0.0.1:5000; proxy_set_header Host $host; }
    }
}
"""
BEGIN = "until [ -s /store/certificate.pem ]; do sleep 0.1; done; /usr/sbin/sshd && nginx -c /store/nginx.conf && exec moto_server -H 127.0.0.1 -p 5000"


@dataclass(frozen=True)
class Store:
    """`certificate` is that of its name and address."""

    container: str
    network: str
    address: str
    certificate: Path

    def objects(self) -> list[str]:
        """Names of what is in the bucket, or the first thousand of them."""
        return re.findall(r"<Key>([^<]+)</Key>", self._ask(f"/{BUCKET}?list-type=2").decode())

    def object(self, name: str) -> bytes:
        """What it is."""
        return self._ask(f"/{BUCKET}/{name}")

    def readable(self) -> list[str]:
        """Names of what pgBackRest keeps in it that is not encrypted. Fails when it keeps nothing."""
        rows = [name for name in self.objects() if not name.startswith("shop-files")]
        assert len(rows) > 5, rows
        return [name for name in rows if self.object(name)[:8] != b"Salted__"]

    def make_bucket(self) -> None:
        """Make it, empty."""
        self._ask(f"/{BUCKET}", "PUT")

    def host_keys(self) -> str:
        """What `ssh-keyscan` prints of it."""
        keys = docker("exec", self.container, "sh", "-c", "cat /etc/ssh/ssh_host_*_key.pub").stdout
        return "".join(f"{NAME} {' '.join(line.split()[:2])}\n" for line in keys.splitlines())

    def authorize(self, key: str) -> None:
        """Let whoever has the private half of a key in by SFTP."""
        path = f"/home/{ACCOUNT}/.ssh/authorized_keys"
        docker(
            "exec",
            "-i",
            self.container,
            "sh",
            "-c",
            f"cat > {path} && chown {ACCOUNT} {path}",
            text=key + "\n",
        )

    def files(self) -> list[str]:
        """What came by SFTP."""
        return docker("exec", self.container, "find", "/srv/backups", "-type", "f").stdout.split()

    def _ask(self, path: str, method: str = "GET") -> bytes:
        context = ssl.create_default_context(cafile=str(self.certificate))
        key = {"Authorization": "AWS any:key"}  # without one it answers as to a stranger
        request = urllib.request.Request(
            f"https://{self.address}{path}", headers=key, method=method
        )
        with urllib.request.urlopen(request, timeout=10, context=context) as answer:
            return bytes(answer.read())


@contextmanager
def backup_store(directory: Path, network: str = "") -> Iterator[Store]:
    """One with an empty bucket, on a network that is there, or on one of its own, which is removed
    with it at the end whatever happens."""
    docker(
        "build",
        "--quiet",
        "--tag",
        "pgstack-store",
        "-",
        text=DOCKERFILE.format(image=image(NEWEST_SUITE)),
    )
    (directory / "nginx.conf").write_text(NGINX)
    own = "" if network else f"pgstack-store-{uuid.uuid4().hex[:8]}"
    if own:
        docker("network", "create", own)
    try:
        named = [f"--network={own or network}"]
        if network != "bridge":  # on the engine's own nobody has a name
            named.append(f"--network-alias={NAME}")
        started = docker(
            "run",
            "--detach",
            *named,
            f"--volume={directory}:/store:ro",
            "--memory=1g",
            IN_THE_PATH,
            "pgstack-store",
            "timeout",
            str(LIFETIME_SECONDS),
            "sh",
            "-c",
            BEGIN,
        )
        container = started.stdout.strip()
        try:
            at = address(container)
            certificate = certificates.self_signed(directory, f"DNS:{NAME},IP:{at}")
            store = Store(container, own or network, at, certificate)
            _begin(store)
            yield store
        finally:
            docker("rm", "--force", container, check=False)
    finally:
        if own:
            docker("network", "rm", own, check=False)


def _begin(store: Store) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            return store.make_bucket()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
