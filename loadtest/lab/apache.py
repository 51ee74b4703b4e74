"""Apache with mod_wsgi: as the stack runs it, and with Python inside of its own processes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from loadtest.lab.server import Component, LabStack, Server, Service
from loadtest.lab.site import ready
from pgstack.planning.services import APACHE

SPARE_CLIENTS = 2
"""of the pooler, for each embedded process: probes and the console"""
Edit = tuple[str, str, str]
"""a planned file (mpm.conf), a pattern that is found in it, and what stands there instead"""


def daemon(lab_stack: LabStack) -> Server:
    """Apache with mod_wsgi in daemon mode, as planned."""
    return _apache(lab_stack, "web", {})


def changed(*edits: Edit, environment: Mapping[str, str] | None = None) -> Service:
    """Apache as planned but for `edits` and `environment`. Raises ValueError when the plan has no
    such line."""

    def service(lab_stack: LabStack) -> Server:
        texts: dict[str, str] = {}
        for name, pattern, replacement in edits:
            texts[name] = _replaced(
                texts.get(name) or _planned(lab_stack, name), pattern, replacement
            )
        return _apache(lab_stack, "web", texts, environment)

    return service


def embedded(lab_stack: LabStack) -> Server:
    """The planned configuration, with Python inside of Apache's own processes: as many as there are
    daemons.

    A thread serves a connection there. Apache closes kept connections when no thread of a process
    is idle, so each gets more threads than the daemons have: as many as the pooler has clients for.
    """
    plan = lab_stack.plan
    inside = f'WSGIPythonHome "{plan.paths.venv}"\nWSGIPythonPath "{plan.paths.app}"\n'
    site = _replaced(
        _planned(lab_stack, "site.conf"), "WSGIRestrictEmbedded On", "WSGIRestrictEmbedded Off"
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
    return _apache(lab_stack, "python", {"site.conf": site, "mpm.conf": mpm})


def _planned(lab_stack: LabStack, name: str) -> str:
    return Path(lab_stack.plan.paths.conf, "apache", name).read_text()


def _replaced(text: str, pattern: str, replacement: str) -> str:
    text, count = re.subn(pattern, lambda _: replacement, text)
    if not count:
        raise ValueError(f"{pattern!r} is not in the planned file")
    return text


def _apache(
    lab_stack: LabStack,
    component: Component,
    texts: Mapping[str, str],
    environment: Mapping[str, str] | None = None,
) -> Server:
    """The planned files but for `texts`, by name, which stand in the lab's own directory."""
    conf = Path(lab_stack.plan.paths.conf, "apache")
    if lab_stack.plan.project:
        texts = {**texts, "site.conf": _served(lab_stack, texts)}
    main = texts.get("apache2.conf") or _planned(lab_stack, "apache2.conf")
    for name, text in texts.items():
        if name != "apache2.conf":
            main = main.replace(str(conf / name), str(lab_stack.write(name, text)))
    path = lab_stack.write("apache2.conf", main) if texts else conf / "apache2.conf"
    return Server(
        "apache",
        component,
        APACHE.words(lab_stack.plan, path),
        lambda: ready(lab_stack),
        environment=environment or {},
    )


def _served(lab_stack: LabStack, texts: Mapping[str, str]) -> str:
    """site.conf with the WSGI file that gives a project the settings of a strategy."""
    site = texts.get("site.conf") or _planned(lab_stack, "site.conf")
    planned = str(Path(lab_stack.plan.web.wsgi).parent)
    return site.replace(planned, str(Path(__file__).parent))


def log(lab_stack: LabStack) -> Path:
    """Path of Apache's access log."""
    return Path(lab_stack.plan.paths.access_log)
