"""What Apache and mod_wsgi are planned with, what they serve, and to whom."""

from __future__ import annotations

from typing import Literal

from pgstack.planning.part import Part


class Site(Part):
    """What Apache serves, and to whom."""

    address: str
    port: int
    hosts: tuple[str, ...]
    tls: Literal["off", "self-signed", "files", "acme"]
    tls_certificate: str
    """what Apache reads, like `tls_key`"""
    tls_key: str
    tls_given_certificate: str
    """what STACK_TLS=files names, like `tls_given_key`; the copy in `tls_certificate` is made from
    it"""
    tls_given_key: str
    instance_ports: dict[str, int]
    """port on the loopback address at which each of a host's two instances of Apache answers by
    itself"""
    redirect_port: int
    """port on which plain HTTP is answered with the address over TLS; 0 for none"""
    acme_directory: str
    """address of the certificate authority's directory, like `acme_email` only for TLS by ACME"""
    acme_email: str
    """whom it tells of certificates that end"""
    hsts: int
    """seconds that a browser may only come back over TLS; 0 without TLS"""
    proxy: bool
    """whether a proxy in front of Apache ends TLS"""
    proxy_addresses: tuple[str, ...]
    """networks of proxies whose X-Forwarded-For is believed"""
    access_log: Literal["json", "combined"]
    """format of its lines"""
    upload_limit: int
    """bytes of a request's body"""
    upload_limit_text: str
    """the same as a person reads it"""

    @property
    def url(self) -> str:
        """Address of the front page."""
        scheme = "http" if self.tls == "off" else "https"
        port = "" if (scheme, self.port) in (("http", 80), ("https", 443)) else f":{self.port}"
        return f"{scheme}://{self.hosts[0].lstrip('.')}{port}/"


class Firewall(Part):
    """What a host lets in from outside."""

    enabled: bool
    ssh_ports: tuple[int, ...]
    unit: str
    """that loads its rules; several sites of a host have one"""
    rules: str
    """path of their file"""
    site_ports: tuple[int, ...]
    """open to `site_sources`; none when Apache listens on the loopback address only"""
    site_sources: tuple[str, ...]
    """addresses that alone may come to the site; none: everybody may"""
    vrrp: str
    """address of the other balancer, which says that it lives; empty where there is none"""


class Web(Part):
    """mod_wsgi's daemon processes; times in seconds."""

    processes: int
    threads: int
    hosts: int
    request_timeout: int
    queue_timeout: int
    """for a free thread (pgstack.serving.wait_limit)"""
    body_timeout: int
    """mod_wsgi's queue-timeout, which counts from a request's first line: the body comes in
    meanwhile"""
    socket_timeout: int
    deadlock_timeout: int
    watchdog_timeout: int
    """of one request; its process ends then (pgstack.serving.watchdog)"""
    patience: int
    """for a database that is coming back (pgstack.db)"""
    graceful_timeout: int
    shutdown_timeout: int
    listen_backlog: int
    memory_per_process: int
    """bytes"""
    settings: str
    """what DJANGO_SETTINGS_MODULE names"""
    wsgi: str
    """path of the WSGI file"""
    python_path: tuple[str, ...]
    """directories that modules are imported from, beside those of `paths.venv`"""

    @property
    def requests(self) -> int:
        """Requests that one web host works on at a time."""
        return self.processes * self.threads


class Project(Part):
    """A Django project that is not the demo. `pgstack.overlay` puts the plan into its settings."""

    settings: str
    """its own settings module"""
    wsgi: str
    """module of its WSGI application; empty: what its settings name"""
    requirements: str
    """file below `paths.app`; empty: none"""
    environment: str
    """file of variables that its processes find in their environment; empty: none"""
    data: tuple[str, ...]
    """variables in which it finds directories that its pages may write into"""
    commands: tuple[tuple[str, ...], ...]
    """its management commands after migrate; on a host the release has them"""
    build: tuple[tuple[str, ...], ...]
    """its commands before it serves; on a host stackctl is told"""


class Apache(Part):
    """Apache's event MPM; times in seconds."""

    threads_per_child: int
    server_limit: int
    start_servers: int
    max_request_workers: int
    min_spare_threads: int
    max_spare_threads: int
    slow_clients: int
    """clients that send a header slowly, or nothing: a child has a worker for each, beside those of
    requests at work"""
    http2_workers: int
    """of a child, at its start: those of requests at work; there may be as many as threads"""
    listen_backlog: int
    file_descriptors: int
    """of one child"""
    tasks: int
    """threads of all its processes, the daemons' too"""
    instances: int
    """as many as this one that may run at a time where it runs"""
    timeout: int
    keep_alive_timeout: int
    graceful_shutdown_timeout: int
    streams: int
    """bodies that are handed on to the daemons as they come in, at a time"""
    modules_directory: str
    mime_types: str
