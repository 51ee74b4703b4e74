"""Plan → files: the one set of templates, each with destination and mode; atomic and idempotent."""

from __future__ import annotations

import difflib
import hashlib
import os
import secrets as random
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError

from pgstack.errors import RenderError
from pgstack.planning import layout
from pgstack.planning.plan import Plan
from pgstack.rendering.file import File

TEMPLATES = {
    "postgres": ("pgstack.conf", "pg_hba.conf", "pg_ident.conf", "roles.sql"),
    "pgbouncer": ("pgbouncer.ini", "hba.conf", "ident.conf", "userlist.txt"),
    "apache": (
        "apache2.conf",
        "mpm.conf",
        "hardening.conf",
        "bodies.conf",
        "bodies.lua",
        "site.conf",
    ),
}
HOST = {
    "sysctl.conf": "/etc/sysctl.d/60-stack.conf",
    "tmpfiles.conf": "/etc/tmpfiles.d/stack.conf",
    "stack-pgbouncer.service": "/etc/systemd/system/stack-pgbouncer@.service",
    "stack-build.service": "/etc/systemd/system/stack-build@.service",
    "stack-apache.service": "/etc/systemd/system/stack-apache@.service",
    "stack-renewed.path": "/etc/systemd/system/stack-renewed.path",
    "stack-renewed.service": "/etc/systemd/system/stack-renewed.service",
    "stack-certificates.timer": "/etc/systemd/system/stack-certificates.timer",
    "stack-certificates.service": "/etc/systemd/system/stack-certificates.service",
    "postgresql.conf": "/etc/systemd/system/postgresql@{postgresql}-main.service.d/stack.conf",
    "stack-watch.timer": "/etc/systemd/system/stack-watch.timer",
    "stack-watch.service": "/etc/systemd/system/stack-watch.service",
    "stack-upgraded.path": "/etc/systemd/system/stack-upgraded.path",
    "stack-upgraded.service": "/etc/systemd/system/stack-upgraded.service",
    "unattended-upgrades.conf": "/etc/apt/apt.conf.d/60stack-unattended-upgrades",
    "needrestart.conf": "/etc/needrestart/conf.d/60-stack.conf",
    "journald.conf": "/etc/systemd/journald.conf.d/60-stack.conf",
    "logrotate.timer": "/etc/systemd/system/logrotate.timer.d/stack.conf",
    "logrotate.conf": "/etc/logrotate.d/stack",
}
"""template of the folder host → where the target `host` has it"""
BACKUP = {
    "pgbackrest.conf": "/etc/pgbackrest/pgbackrest.conf",
    "stack-backup.service": "/etc/systemd/system/stack-backup@.service",
    "stack-backup-full.timer": "/etc/systemd/system/stack-backup-full.timer",
    "stack-backup-incr.timer": "/etc/systemd/system/stack-backup-incr.timer",
    "stack-drill.service": "/etc/systemd/system/stack-drill.service",
    "stack-drill.timer": "/etc/systemd/system/stack-drill.timer",
}
"""likewise, of a host that keeps backups"""
FIREWALL = {
    "nftables.conf": "/etc/stack/nftables.conf",
    "stack-firewall.service": "/etc/systemd/system/stack-firewall.service",
}
"""the same for `firewall=on`"""
ELSEWHERE = {
    "all": frozenset[str](),
    "web": frozenset({"postgres", "userlist.txt", "postgresql.conf"}),
    "database": frozenset(
        {
            "pgbouncer",
            "apache",
            "stack-pgbouncer.service",
            "stack-apache.service",
            "logrotate.conf",
            "stack-manage",
        }
    ),
}
"""folders and templates that a host has no use for, by what it runs; on a web host userlist.txt
holds a password"""
PROGRAMS = frozenset({"stack-manage"})
SECRET_KEY_BYTES = 48


@dataclass(frozen=True)
class Template:
    """One template of `part`: its path in the project, and where its text goes."""

    part: str
    source: str
    path: Path
    mode: int = 0o644


def environment() -> Environment:
    """Jinja as Ansible's template module sets it up, so that both write the same bytes."""
    return Environment(
        loader=FileSystemLoader(layout.TEMPLATES),
        trim_blocks=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - configuration files, no HTML
    )


def files(plan: Plan) -> list[File]:
    """Every file of `plan`, plan.json last: once it is there, the others are too."""
    jinja = environment()
    result = []
    for template in templates(plan):
        try:
            text = jinja.get_template(template.source).render(stack=plan)
        except TemplateError as error:
            raise RenderError(f"{template.source}: {error}.") from error
        result.append(File(template.path, text, template.mode))
    result.append(File(Path(plan.paths.conf, "plan.json"), plan_text(plan)))
    return result


def plan_text(plan: Plan) -> str:
    """The text of plan.json."""
    return plan.model_dump_json(indent=2) + "\n"


def templates(plan: Plan) -> list[Template]:
    """What is rendered for `plan`, and where to."""
    conf = Path(plan.paths.conf)
    unwanted = ELSEWHERE[plan.part] | (frozenset() if plan.pooler.peer_maps else {"ident.conf"})
    found = [
        Template(part, f"{part}/{name}.j2", conf / part / name)
        for part, names in TEMPLATES.items()
        for name in names
        if not unwanted & {part, name}
    ]
    if plan.target == "host":
        found += _host(
            "host", {name: path for name, path in HOST.items() if name not in unwanted}, plan
        )
    if plan.firewall.enabled:
        found += _host("firewall", FIREWALL, plan)
    if plan.backup:
        found += _host("backup", BACKUP, plan)
    return found


def _host(part: str, places: dict[str, str], plan: Plan) -> list[Template]:
    return [
        Template(
            part,
            f"host/{name}.j2",
            Path(path.format(postgresql=plan.versions.postgresql)),
            0o755 if name in PROGRAMS else 0o644,
        )
        for name, path in places.items()
    ]


def fingerprint(wanted: list[File]) -> str:
    """SHA-256 of paths, texts and modes: the same for the same configuration."""
    return hashlib.sha256(repr(wanted).encode()).hexdigest()


def difference(wanted: list[File]) -> str:
    """Unified diff from the files on disk to `wanted`; empty when they agree in text and mode."""
    return "".join(_difference(file) for file in wanted)


def _difference(file: File) -> str:
    try:
        found, mode = (
            file.path.read_bytes().decode(errors="replace"),
            file.path.stat().st_mode & 0o777,
        )
    except FileNotFoundError:
        found, mode = "", file.mode
    except OSError as error:
        raise RenderError(
            f"{file.path}: {error.strerror}. Move it away: a rendered file belongs there."
        ) from None
    name = str(file.path)
    if file.secret and found != file.text:
        return f"{name}: the content differs\n"
    diff = "".join(
        difflib.unified_diff(found.splitlines(True), file.text.splitlines(True), name, name)
    )
    return diff + (f"{name}: mode {mode:o} should be {file.mode:o}\n" if mode != file.mode else "")


def write(wanted: list[File]) -> list[Path]:
    """Write what differs and return its paths.

    All files are written beside their places first and moved in only when every one is complete, so
    a full disk leaves the old set as it was. Raises RenderError naming file, reason and remedy.
    """
    path = Path()
    try:
        changed = [file for file in wanted if _difference(file)]
        for file in changed:
            path = file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            _stage(file)
        for file in changed:
            path = file.path
            _beside(path).replace(path)
    except OSError as error:
        raise RenderError(
            f"{path}: {error.strerror}; the files that were there are unchanged. "
            "Free the space or the rights and try again."
        ) from error
    finally:
        _sweep(wanted)
    return [file.path for file in changed]


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.new")


def _stage(file: File) -> None:
    # Nobody else reads it before it has its mode.
    _beside(file.path).unlink(
        missing_ok=True
    )  # one that a killed run left may be closed to writing
    with open(
        _beside(file.path), "w", opener=lambda path, flags: os.open(path, flags, 0o600)
    ) as handle:
        handle.write(file.text)
        handle.flush()
        os.fchmod(handle.fileno(), file.mode)
        os.fsync(handle.fileno())


def _sweep(wanted: list[File]) -> None:
    """Remove what is left beside the files, by this run or by one that was killed."""
    for file in wanted:
        with suppress(OSError):
            _beside(file.path).unlink()


def ensure_secrets(plan: Plan) -> None:
    """Make the directory of secrets and Django's secret key in it; keep a key that exists."""
    directory = Path(plan.paths.secrets)
    key = directory / layout.SECRET_KEY
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not key.exists():
            write([File(key, random.token_urlsafe(SECRET_KEY_BYTES) + "\n", 0o440)])
    except OSError as error:
        raise RenderError(
            f"{error.filename or directory}: {error.strerror}. Free the space or the rights and "
            f"try again."
        ) from error
