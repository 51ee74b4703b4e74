"""The web side: Apache with mod_wsgi in two ways, and the servers that people compare it with."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from signal import SIGINT

from loadtest.lab import apache
from loadtest.lab.server import LabStack, Server, Service, nothing_missing
from loadtest.lab.site import ready
from pgstack.ops import listening
from pgstack.planning.plan import Plan

NGINX, UWSGI = "/usr/sbin/nginx", "/usr/bin/uwsgi-core"
UWSGI_PYTHON = "/usr/lib/uwsgi/plugins/python3_plugin.so"


@dataclass(frozen=True)
class WebServer:
    """One way to run the WSGI application; as many processes and threads as planned."""

    name: str
    meaning: str
    services: tuple[Service, ...]
    """from the application outwards"""
    access_log: Callable[[LabStack], Path] | None
    missing: Callable[[Plan], str | None] = nothing_missing
    """why it cannot run here, with the remedy; None when it can"""
    measures: bool = False
    """whether its processes measure where requests are, as those of the stack do"""

    def logged(self, lab_stack: LabStack) -> int | None:
        """Lines of the access log so far; None for a server without one."""
        path = self.access_log(lab_stack) if self.access_log else None
        return None if path is None else path.read_bytes().count(b"\n") if path.exists() else 0


def gunicorn(lab_stack: LabStack) -> Server:
    """Gunicorn's threaded workers on a socket."""
    plan, socket = lab_stack.plan, _socket(lab_stack)
    command = (
        sys.executable,
        "-m",
        "gunicorn",
        "config.wsgi",
        "--chdir",
        plan.paths.app,
        "--bind",
        f"unix:{socket}",
        "--worker-class",
        "gthread",
        "--workers",
        str(plan.web.processes),
        "--threads",
        str(plan.web.threads),
        "--log-level",
        "warning",
    )
    return Server("gunicorn", "python", command, partial(listening.at, socket))


def uwsgi(lab_stack: LabStack) -> Server:
    """uWSGI from Debian, with its Python plugin, on a socket."""
    plan, socket = lab_stack.plan, _socket(lab_stack)
    command = (
        UWSGI,
        "--plugin",
        UWSGI_PYTHON,
        "--socket",
        str(socket),
        "--virtualenv",
        plan.paths.venv,
        "--master",
        "--chdir",
        plan.paths.app,
        "--module",
        "config.wsgi",
        "--processes",
        str(plan.web.processes),
        "--threads",
        str(plan.web.threads),
        "--need-app",
        "--disable-logging",
        "--listen",
        "100",
    )
    return Server("uwsgi", "python", command, socket.exists, SIGINT)


def nginx(protocol: str) -> Service:
    """nginx before the application's socket, speaking `protocol` (http or uwsgi) to it."""

    def service(lab_stack: LabStack) -> Server:
        scratch, plan = lab_stack.folder("nginx"), lab_stack.plan
        temporary = "".join(
            f"  {kind}_temp_path {scratch}/{kind};\n"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        forward = (
            "proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Host $host;"
            ' proxy_set_header Connection "";'
            if protocol == "http"
            else "include /etc/nginx/uwsgi_params; uwsgi_pass app;"
        )
        keep = "keepalive 32;" if protocol == "http" else ""
        text = (
            f"daemon off;\nworker_processes {plan.cores};\npid {scratch}/nginx.pid;\nerror_log "
            f"stderr;\n"
            f"events {{ worker_connections 1024; }}\nhttp {{\n{temporary}"
            f"  access_log {_nginx_log(lab_stack)};\n  keepalive_requests 1000000000;\n"
            f"  upstream app {{ server unix:{_socket_path(lab_stack)}; {keep} }}\n"
            f"  server {{ listen 127.0.0.1:{plan.site.port}; location / {{ {forward} }} }}\n}}\n"
        )
        path = lab_stack.write("nginx.conf", text)
        return Server(
            "nginx", "web", (NGINX, "-e", "stderr", "-c", str(path)), lambda: ready(lab_stack)
        )

    return service


def granian(log: str) -> Service:
    """Granian, whose HTTP side is written in Rust, without another server before it; `log` switches
    its access log."""

    def service(lab_stack: LabStack) -> Server:
        plan = lab_stack.plan
        command = (
            sys.executable,
            "-m",
            "granian",
            "--interface",
            "wsgi",
            "--working-dir",
            plan.paths.app,
            "--host",
            "127.0.0.1",
            "--port",
            str(plan.site.port),
            "--workers",
            str(plan.web.processes),
            "--blocking-threads",
            str(plan.web.threads),
            log,
            "config.wsgi:application",
        )
        return Server("granian", "python", command, lambda: ready(lab_stack), SIGINT)

    return service


def _socket_path(lab_stack: LabStack) -> Path:
    return lab_stack.folder("app") / "app.sock"


def _socket(lab_stack: LabStack) -> Path:
    path = _socket_path(lab_stack)
    path.unlink(missing_ok=True)
    return path


def _nginx_log(lab_stack: LabStack) -> Path:
    return Path(lab_stack.plan.paths.log, "nginx-access.log")


def _granian_log(lab_stack: LabStack) -> Path:
    return Path(lab_stack.plan.paths.log, "granian.log")  # what it prints


def _absent(*needed: tuple[str, str]) -> Callable[[Plan], str | None]:
    """Names the packages among (path, package) that are not there."""

    def missing(plan: Plan) -> str | None:
        absent = [package for path, package in needed if not Path(path).exists()]
        return f"not installed; as root: apt-get install {' '.join(absent)}" if absent else None

    return missing


DAEMON = WebServer(
    "mod_wsgi-daemon",
    "Apache with mod_wsgi's daemons: this stack",
    (apache.daemon,),
    apache.log,
    measures=True,
)
SERVERS = {
    server.name: server
    for server in (
        DAEMON,
        WebServer(
            "mod_wsgi-embedded",
            "Apache with Python in its own processes",
            (apache.embedded,),
            apache.log,
        ),
        WebServer(
            "nginx+gunicorn",
            "nginx before Gunicorn's threaded workers",
            (gunicorn, nginx("http")),
            _nginx_log,
            _absent((NGINX, "nginx-light")),
        ),
        WebServer(
            "nginx+uwsgi",
            "nginx before uWSGI",
            (uwsgi, nginx("uwsgi")),
            _nginx_log,
            _absent(
                (NGINX, "nginx-light"),
                (UWSGI, "uwsgi-core"),
                (UWSGI_PYTHON, "uwsgi-plugin-python3"),
            ),
        ),
        WebServer(
            "granian", "Granian alone, HTTP in Rust", (granian("--access-log"),), _granian_log
        ),
        WebServer(
            "granian-no-log",
            "Granian without an access log, as it comes; all others keep one",
            (granian("--no-access-log"),),
            None,
        ),
    )
}
