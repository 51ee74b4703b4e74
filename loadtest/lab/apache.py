"""Apache with mod_wsgi: as the stack runs it, and with Python inside of its own processes."""

from __future__ import annotations

import re
from pathlib import Path

from loadtest.lab.server import Ground, Server
from loadtest.lab.site import ready

SPARE_CLIENTS = 2
"""of the pooler, for each embedded process: probes and the console"""


def daemon(ground: Ground) -> Server:
    """Apache as planned."""
    return _apache(ground, "web", Path(ground.plan.paths.conf, "apache/apache2.conf"))


def embedded(ground: Ground) -> Server:
    """The planned configuration, with Python inside of Apache's own processes: as many as there are daemons.

    A thread serves a connection there. Apache closes kept connections when no thread of a process is idle, so each
    gets more threads than the daemons have: as many as the pooler has clients for.
    """
    plan, conf = ground.plan, Path(ground.plan.paths.conf, "apache")
    main = (conf / "apache2.conf").read_text()
    site = (conf / "site.conf").read_text().replace("WSGIRestrictEmbedded On", "WSGIRestrictEmbedded Off")
    inside = f'WSGIPythonHome "{plan.paths.venv}"\nWSGIPythonPath "{plan.paths.app}"\n'
    site, found = re.subn(r"WSGIDaemonProcess (?:.*\\\n)*.*\n", lambda _: inside, site)
    if found != 1 or " process-group=stack" not in site:
        raise ValueError("site.conf has no daemon process any more that could be taken out")
    site = site.replace(" process-group=stack", "")
    processes = plan.web.processes
    threads = min(plan.pooler.max_client_conn // processes - SPARE_CLIENTS, plan.apache.threads_per_child)
    mpm = (
        f"StartServers {processes}\nServerLimit {processes}\nThreadLimit {threads}\nThreadsPerChild {threads}\n"
        f"MaxRequestWorkers {processes * threads}\nMinSpareThreads 1\nMaxSpareThreads {processes * threads}\n"
        f"Timeout {plan.apache.timeout}\nKeepAlive On\n"
        f"KeepAliveTimeout {plan.apache.keep_alive_timeout}\nMaxKeepAliveRequests 0\n"
    )
    for name, text in (("site.conf", site), ("mpm.conf", mpm)):
        main = main.replace(str(conf / name), str(ground.write(f"embedded-{name}", text)))
    return _apache(ground, "python", ground.write("embedded.conf", main))


def _apache(ground: Ground, component: str, configuration: Path) -> Server:
    command = ("/usr/sbin/apache2", "-DFOREGROUND", "-f", str(configuration))
    return Server("apache", "python" if component == "python" else "web", command, lambda: ready(ground))


def log(ground: Ground) -> Path:
    """The access log."""
    return Path(ground.plan.paths.log, "apache-access.log")
