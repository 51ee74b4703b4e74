"""What root's stackctl imports on a host, and whether a lesser account could change it."""

from __future__ import annotations

from systemd_host import SystemdHost

TRAPS = "/tmp/traps"
NAMES = ("psycopg2", "psutil", "pydantic", "stackctl", "pgstack", "json", "sitecustomize")
PLACES = "/usr/local/lib/stack /usr/local/sbin/stackctl /usr/local/bin/stack-manage /etc/stack"
IMPORTED = """
import os, stat, sys
launcher = open("/usr/local/sbin/stackctl").read()
exec(launcher.rpartition("main(")[0])
found = {module.__file__ for module in list(sys.modules.values()) if getattr(module, "__file__", None)}
for path in sorted(found | set(filter(None, sys.path))):
    while True:
        for one in {path, os.path.realpath(path)}:
            if os.path.lexists(one):
                kept = os.lstat(one)
                writable = kept.st_mode & 0o022 and not stat.S_ISLNK(kept.st_mode)
                if kept.st_uid or writable:
                    print("others may change", one)
        if path == "/":
            break
        path = os.path.dirname(path)
print(len(found), "modules")
"""


def writable(host: SystemdHost, account: str) -> str:
    """What an account may change of that which root runs or reads."""
    find = f"find {PLACES} ! -type l -writable"
    return host.run("runuser", "-u", account, "--", "sh", "-c", find, check=False).stdout


def lay_traps(host: SystemdHost, account: str, mark: str) -> None:
    """Modules of the names that root imports, where `account` may write, which make a file as
    root."""
    trap = f"import os; os.getuid() or open('{mark}-{account}', 'w')"
    script = f"mkdir -p {TRAPS}; cd {TRAPS}; " + "; ".join(
        f'echo "{trap}" > {name}.py' for name in NAMES
    )
    host.run("runuser", "-u", account, "--", "sh", "-ec", script)


def walk_into_traps(host: SystemdHost, *words: str) -> str:
    """What root's command says where it stands among them, and its environment leads there."""
    variables = " ".join(
        f"{name}={TRAPS}" for name in ("PYTHONPATH", "PYTHONHOME", "PYTHONUSERBASE", "HOME")
    )
    script = f"cd {TRAPS}; env {variables} PYTHONSTARTUP={TRAPS}/json.py {' '.join(words)}"
    return host.run("sh", "-c", script, check=False).stdout


def imported(host: SystemdHost) -> str:
    """A line for each place that others may change, and how many modules there are."""
    python = host.run("head", "-1", "/usr/local/sbin/stackctl").stdout.removeprefix("#!").split()
    return host.run(*python, "-c", IMPORTED).stdout
