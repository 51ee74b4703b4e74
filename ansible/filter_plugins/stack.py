"""The planner as filters: what a play knows of the stack comes from here."""

from __future__ import annotations

import hashlib
import re
import sys
from pathlib import Path
from typing import Any

import ansible.constants as ansible_constants
from ansible.errors import AnsibleFilterError

PROJECT = Path(__file__).resolve().parents[2]
sys.path.append(str(PROJECT / "app"))

from pgstack.errors import StackError  # noqa: E402
from pgstack.planning import config, dependencies, discovery, hardware, locales, packages, sizing  # noqa: E402 - the path comes first
from pgstack.planning.plan import Plan  # noqa: E402
from pgstack.rendering import manifest, templates  # noqa: E402 - the path comes first

SHIPPED = ("app", "postgres", "pgbouncer", "apache", "host", "requirements")
"""what a release holds of the checkout"""
UNWANTED = frozenset(
    {
        "__pycache__",
        ".git",
        ".mypy_cache",
        ".ruff_cache",
        ".pytest_cache",
        ".venv",
        "venv",
        "node_modules",
    }
)
"""names that are left out wherever they are"""
DEMO = {
    "source": "",
    "version": "HEAD",
    "directory": ".",
    "requirements": "",
    "packages": [],
    "commands": [["seed"]],
    "environment": {},
    "secrets": {},
    "credentials": {},
    "secret_files": {},
}
VARIABLE = re.compile("[A-Za-z_][A-Za-z0-9_]*")
OTHER = {**DEMO, "commands": []}
"""what is not said of another project"""
VALIDATORS = {"nftables.conf": "/usr/sbin/nft --check --file %s"}
"""what refuses a bad file, by its name; servers that are asked by stackctl are not here"""


def stack_part(inputs: dict[str, Any], host: str, groups: dict[str, list[str]]) -> dict[str, Any]:
    """`inputs` with what the groups `database` and `web` say of `host`. Raises
    AnsibleFilterError."""
    databases, webs = groups.get("database", []), groups.get("web", [])
    if not databases and not webs:
        return inputs
    if (
        len(databases) != 1
        or not webs
        or (host in webs and host in databases)
        or host not in (*webs, *databases)
    ):
        raise AnsibleFilterError(
            f"inventory: {host}: with hosts apart there is one in the group database, the others "
            f"are in the group web. "
            f"database has {', '.join(databases) or 'none'}, web has {', '.join(webs) or 'none'}."
        )
    if not inputs.get("web_addresses"):
        raise AnsibleFilterError(
            "stack_inputs.web_addresses: missing. Name where the web hosts come from."
        )
    found = {"database_host": databases[0], **inputs, "web_hosts": len(webs)}
    return (
        found
        if host in databases
        else {name: value for name, value in found.items() if name != "web_addresses"}
    )


def stack_plan(
    inputs: dict[str, Any],
    machine: dict[str, Any],
    other_inputs: dict[str, Any] | None = None,
    other_machine: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """The plan for a host that was found to be `machine` (see pgstack.planning.hardware). Raises
    AnsibleFilterError.

    For a web host the others are those of its database host: they say what PostgreSQL runs with and
    how many backends each web host has.
    """
    try:
        if other_inputs is None or other_machine is None:
            return _planned(inputs, machine).model_dump(mode="json")
        database = _planned(other_inputs, other_machine)
        web = _planned({**inputs, "pool_size": database.pooler.default_pool_size}, machine)
        return sizing.beside(web, database).model_dump(mode="json")
    except StackError as error:
        raise AnsibleFilterError(f"stack_inputs: {error}") from error


def _planned(inputs: dict[str, Any], machine: dict[str, Any]) -> Plan:
    texts = {
        config.environment_name(name): _text(value)
        for name, value in inputs.items()
        if name != "project"
    }
    chosen = discovery.complete(config.load(texts, target="host", project=_directory(inputs)))
    return sizing.plan(chosen, hardware.chosen(chosen, hardware.Hardware(**_plain(machine))))


def _directory(inputs: dict[str, Any]) -> Path | None:
    """Where the project is, if it is on this machine; None for the demo."""
    project = _plain(inputs.get("project") or {})
    return (
        Path(project["source"]).expanduser() / project.get("directory", ".")
        if project.get("source")
        else None
    )


def _plain(value: Any) -> Any:
    """Without the wrappers in which Ansible hands over what it has not looked at yet."""
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value


def _text(value: Any) -> str:
    if isinstance(value, bool):  # what YAML makes of on and off
        return "on" if value else "off"
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def stack_files(stack: dict[str, Any], *parts: str) -> list[dict[str, str | None]]:
    """Rendered files of `parts`, or of all, for the module stack_files; those of `plan` are
    plan.json."""
    plan = Plan.model_validate(_plain(stack))
    found = [one.role for one in manifest.templates(plan)]
    return [
        {
            "dest": str(file.path),
            "content": file.text,
            "mode": f"{file.mode:04o}",
            "validate": VALIDATORS.get(file.path.name),
        }
        for part, file in zip([*found, "plan"], templates.files(plan), strict=True)
        if not parts or part in parts
    ]


def stack_stackctl(stack: dict[str, Any]) -> dict[str, Any]:
    """Names of the directories of stackctl's virtual environment and code on a host, and what is
    in them."""
    requirements = (PROJECT / "requirements/stackctl.txt").read_text()
    roots = {PROJECT / "host/stackctl": "stackctl", PROJECT / "app/pgstack": "pgstack"}
    texts = {
        f"{name}/{path.relative_to(root)}": path.read_text()
        for root, name in roots.items()
        for path in sorted(root.rglob("*.py"))
    }
    # A virtual environment is for one version of Python.
    made = {"venv": [stack["versions"]["python"], requirements], "code": sorted(texts.items())}
    names = {
        kind: f"{kind}-{hashlib.sha256(repr(content).encode()).hexdigest()[:12]}"
        for kind, content in made.items()
    }
    return {**names, "requirements": requirements, "texts": texts}


def stack_stackctl_files(stackctl: dict[str, Any], directory: str) -> list[dict[str, str]]:
    """Its code, its requirements and what installs both, for the module stack_files; in force once
    the launchers name them."""
    code = f"{directory}/{stackctl['code']}"
    folders = sorted({str(Path(name).parent) for name in stackctl["texts"]})
    installer = (PROJECT / "host/install_stackctl.py").read_text()
    return [
        *({"dest": place} for place in (directory, code)),
        *({"dest": f"{code}/{folder}"} for folder in folders),
        *({"dest": f"{code}/{name}", "content": text} for name, text in stackctl["texts"].items()),
        {"dest": f"{directory}/requirements.txt", "content": stackctl["requirements"]},
        {"dest": f"{directory}/install_stackctl.py", "content": installer},
    ]


def stack_programs(stackctl: dict[str, Any], directory: str) -> list[dict[str, str]]:
    """What starts stackctl, stack-manage and what mod_md calls, for the module stack_files."""
    programs = PROJECT / "host/bin"
    places = {kind: f"{directory}/{stackctl[kind]}" for kind in ("venv", "code")}
    message = (programs / "acme-message").read_text()
    launchers = {"stackctl": "/usr/local/sbin", "stack-manage": "/usr/local/bin"}
    return [
        {"dest": directory},
        {"dest": f"{directory}/acme-message", "content": message, "mode": "0755"},
        *(
            {
                "dest": f"{place}/{name}",
                "content": (programs / name).read_text().format(**places),
                "mode": "0755",
            }
            for name, place in launchers.items()
        ),
    ]


def stack_packages(debian: int) -> dict[str, list[str]]:
    """Debian's packages of the servers, and of the virtual environment."""
    return {
        "servers": list(packages.servers(debian).values()),
        "python": list(packages.environment(debian).values()),
    }


def stack_taken(stack: dict[str, Any], listeners: list[dict[str, Any]]) -> list[str]:
    """Who holds a port that Apache needs; its own instances do not count (listeners: see
    host/survey.py)."""
    site = stack["site"]
    public = site["address"].strip("[]")
    wanted = {(public, site["port"])} | (
        {(public, site["redirect_port"])} if site["redirect_port"] else set()
    )
    wanted |= {("127.0.0.1", port) for port in site["instance_ports"].values()}
    return [
        f"port {one['port']} is held by {one['program']} ({one['unit'] or 'no unit'}) at "
        f"{one['address']}"
        for one in listeners
        if not one["unit"].startswith("stack-apache@")
        and any(
            one["port"] == port and _collide(one["address"], address) for address, port in wanted
        )
    ]


def stack_unsorted(stack: dict[str, Any], found: dict[str, Any]) -> str:
    """Why the host's database cannot sort as wanted; empty when it can (found: see
    host/survey.py)."""
    if "postgres" not in stack["services"]:
        return ""
    return locales.refusal(
        stack["postgres"]["locale"], found["sorts"], locales.named(found["locales"])
    )


def _collide(left: str, right: str) -> bool:
    return left == right or not {left, right}.isdisjoint({"*", "0.0.0.0", "::"})  # noqa: S104 - compared, not bound


def stack_project(inputs: dict[str, Any]) -> dict[str, Any]:
    """What is said of the project, with the defaults. Raises AnsibleFilterError for what cannot
    be."""
    given = _plain(inputs.get("project") or {})
    defaults = OTHER if given.get("source") else DEMO
    unknown = set(given) - set(defaults)
    if unknown:
        raise AnsibleFilterError(
            f"stack_inputs.project: {min(unknown)}: unknown. There are {', '.join(defaults)}."
        )
    if not given.get("source") and given.keys() & {"directory", "version", "requirements"}:
        raise AnsibleFilterError(
            "stack_inputs.project: source is missing. Name a directory, an archive or a Git URL."
        )
    project = {**defaults, **given}
    twice = set(project["environment"]) & set(project["secrets"])
    if twice:
        raise AnsibleFilterError(
            f"stack_inputs.project: {min(twice)}: in environment and in secrets. Name it once."
        )
    if {"/", ".."} & set(Path(project["directory"]).parts):
        raise AnsibleFilterError(
            f"stack_inputs.project.directory: {project['directory']}: not below the source."
        )
    shown = re.sub(r"//[^/@]*@", "//", project["source"])  # without a password or token
    workspace = (
        ansible_constants.DEFAULT_LOCAL_TMP
    )  # of this run alone, which deletes it at its end
    return {**project, "kind": _kind(project["source"]), "shown": shown, "workspace": workspace}


def _kind(source: str) -> str:
    if not source:
        return "demo"
    if re.match(r"(https?|ssh|git|file)://|[\w.-]+@[\w.-]+:", source):
        return "git"
    path = Path(source).expanduser()
    if path.is_dir():
        return "directory"
    if path.is_file() and path.name.endswith(
        (".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2", ".zip")
    ):
        return "archive"
    raise AnsibleFilterError(
        f"stack_inputs.project.source: {source}: no directory, no archive (.tar.gz, .zip) and no "
        f"Git URL. Name one."
    )


def stack_environment(values: dict[str, Any]) -> str:
    """Lines of an environment file that systemd and a shell read alike. Raises
    AnsibleFilterError."""
    lines = []
    for name, value in _plain(values).items():
        text = str(value)
        if VARIABLE.fullmatch(name) is None or "\n" in text:
            raise AnsibleFilterError(
                f"stack_inputs.project: {name}: not a name and a text of one line."
            )
        quoted = re.sub(r'(["\\$`])', r"\\\1", text)
        lines.append(f'{name}="{quoted}"\n')
    return "".join(lines)


def stack_credentials(values: dict[str, Any], directory: str) -> list[dict[str, str]]:
    """A file in `directory` for each secret, for the module stack_files.

    Raises AnsibleFilterError.
    """
    for name in values:
        if VARIABLE.fullmatch(name) is None:
            raise AnsibleFilterError(
                f"stack_inputs.project.credentials: {name}: not the name of a variable."
            )
    files = [
        {"dest": f"{directory}/{name}", "content": str(text), "mode": "0400"}
        for name, text in values.items()
    ]
    return [{"dest": directory, "mode": "0700"}, *files]


def stack_release(project: dict[str, Any], source: str) -> dict[str, Any]:
    """A release of the checkout and of the project below `source`: its name, by what is in it, and
    the files of both.

    Raises AnsibleFilterError when the project has not what it is said to have.
    """
    ours = _files(PROJECT, SHIPPED)
    if source and not Path(source).is_dir():
        raise AnsibleFilterError(
            f"stack_inputs.project.directory: {project['directory']}: no directory of "
            f"{project['shown']}. Name "
            "the one that holds manage.py."
        )
    theirs = _files(Path(source), (".",)) if source else []
    named = _requirements(project, source, theirs) if source else ""
    content = hashlib.sha256(repr((named, project["commands"])).encode())
    for root, names in ((PROJECT, ours), (Path(source), theirs)):
        for name in names:
            path = root / name
            known = path.readlink().as_posix().encode() if path.is_symlink() else path.read_bytes()
            content.update(f"{name} {hashlib.sha256(known).hexdigest()}\n".encode())
    return {"id": content.hexdigest()[:12], "ours": ours, "theirs": theirs, "source": source}


def _requirements(project: dict[str, Any], source: str, theirs: list[str]) -> str:
    """The file that says what the project needs. Raises AnsibleFilterError."""
    if not project["requirements"]:
        try:
            return dependencies.usual(Path(source))
        except dependencies.DependencyError as error:
            raise AnsibleFilterError(f"stack_inputs.project: {error}") from error
    if project["requirements"] not in theirs:
        raise AnsibleFilterError(
            f"stack_inputs.project.requirements: {project['requirements']}: not in "
            f"{project['shown']}, "
            f"directory {project['directory']}. Name one that is."
        )
    return str(project["requirements"])


def _files(root: Path, folders: tuple[str, ...]) -> list[str]:
    return sorted(
        str(path.relative_to(root))
        for folder in folders
        for path in (root / folder).rglob("*")
        if (path.is_file() or path.is_symlink())
        and not UNWANTED & set(path.relative_to(root).parts)
    )


def stack_debians(_: object) -> list[int]:
    """The Debian releases that the stack is for."""
    return sorted(packages.RELEASES)


FILTERS = (
    stack_part,
    stack_plan,
    stack_files,
    stack_stackctl,
    stack_stackctl_files,
    stack_programs,
    stack_packages,
    stack_taken,
    stack_project,
    stack_environment,
    stack_credentials,
    stack_release,
    stack_unsorted,
    stack_debians,
)


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Any]:
        """The filters by name."""
        return {function.__name__: function for function in FILTERS}
