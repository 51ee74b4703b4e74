"""Apache with mod_wsgi: as the stack runs it, and with Python inside of its own processes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from loadtest.lab.server import Component, Ground, Server, Service
from loadtest.lab.site import ready

SPARE_CLIENTS = 2
"""of the pooler, for each embedded process: probes and the console"""
Edit = tuple[str, str, str]
"""a planned file (mpm.conf), a pattern that is found in it exactly once, and what stands there
instead"""


def daemon(ground: Ground) -> Server:
    """Apache as planned."""
    return _apache(ground, "web", {})


def changed(*edits: Edit, environment: Mapping[str, str] | None = None) -> Service:
    """Apache as planned but for `edits` and `environment`. Raises ValueError when the plan has no
    such line."""

    def service(ground: Ground) -> Server:
        texts: dict[str, str] = {}
        for name, pattern, replacement in edits:
            texts[name] = _replaced(texts.get(name) or _planned(ground, name), pattern, replacement)
        return _apache(ground, "web", texts, environment)

    return service


def embedded(ground: Ground) -> Server:
    """The planned configuration, with Python inside of Apache's own processes: as many as there are
    daemons.

    A thread serves a connection there. Apache closes kept connections when no thread of a process
    is idle, so each gets more threads than the daemons have: as many as the pooler has clients for.
    """
    plan = ground.plan
    inside = f'WSGIPythonHome "{plan.paths.venv}"\nWSGIPythonPath "{plan.paths.app}"\n'
    site = _replaced(
        _planned(ground, "site.conf"), "WSGIRestrictEmbedded On", "WSGIRestrictEmbedded Off"
    )
    site = _replaced(site, r"WSGIDaemonProcess (?:.*\\\n)*.*\n", inside)
    site = site.replace(" process-group=stack", "")  # in each virtual host
    processes = plan.web.processes
    threads = min(
        plan.pooler.max_client_conn // processes - SPARE_CLIENTS, plan.apache.threads_per_child
    )
    mpm = (
        f"StartServers {processes}\nServerLimit {processes}\nThreadLimit "
        f"{threads}\nThreadsPerChild {threads}\n"
        f"MaxRequestWorkers {processes * threads}\nMinSpareThreads 1\nMaxSpareThreads "
        f"{processes * threads}\n"
        f"Timeout {plan.apache.timeout}\nKeepAlive On\n"
        f"KeepAliveTimeout {plan.apache.keep_alive_timeout}\nMaxKeepAliveRequests 0\n"
    )
    return _apache(ground, "python", {"site.conf": site, "mpm.conf": mpm})


def _planned(ground: Ground, name: str) -> str:
    return Path(ground.plan.paths.conf, "apache", name).read_text()


def _replaced(text: str, pattern: str, replacement: str) -> str:
    text, found = re.subn(pattern, lambda _: replacement, text)
    if found != 1:
        raise ValueError(f"{pattern!r} is {found} times in the planned file, not once")
    return text


def _apache(
    ground: Ground,
    component: Component,
    texts: Mapping[str, str],
    environment: Mapping[str, str] | None = None,
) -> Server:
    """The planned files but for `texts`, by name, which stand in the lab's own directory."""
    conf = Path(ground.plan.paths.conf, "apache")
    main = texts.get("apache2.conf") or _planned(ground, "apache2.conf")
    for name, text in texts.items():
        if name != "apache2.conf":
            main = main.replace(str(conf / name), str(ground.write(name, text)))
    path = ground.write("apache2.conf", main) if texts else conf / "apache2.conf"
    command = ("/usr/sbin/apache2", "-DFOREGROUND", "-f", str(path))
    return Server(
        "apache", component, command, lambda: ready(ground), environment=environment or {}
    )


def log(ground: Ground) -> Path:
    """The access log."""
    return Path(ground.plan.paths.log, "apache-access.log")
