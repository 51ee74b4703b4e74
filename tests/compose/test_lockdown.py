"""What the engine says about each container: who it runs as, and what it may not do."""

from __future__ import annotations

from pathlib import Path

import pytest
from compose_stack import CHECKOUT, ComposeStack

from fixtures import steady_load
from reach import listener, reached

pytestmark = pytest.mark.compose

SERVICES = ("configure", "postgres", "pgbouncer", "migrate", "port", "web", "background", "metrics")
GIB = 1024**3


@pytest.mark.parametrize("service", SERVICES)
def test_container_is_read_only_and_has_no_capability(stack: ComposeStack, service: str) -> None:
    host = stack.inspect(service)["HostConfig"]
    assert host["ReadonlyRootfs"] is True
    assert host["CapDrop"] == ["ALL"]
    assert host["CapAdd"] is None
    assert host["Privileged"] is False
    assert host["SecurityOpt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize(
    ("service", "uid"),
    [
        ("configure", 5004),
        ("postgres", 5001),
        ("pgbouncer", 5002),
        ("migrate", 5004),
        ("port", 5006),
        ("web", 5003),
        ("background", 5007),
        ("metrics", 5009),
    ],
)
def test_container_runs_as_its_own_account_and_never_as_root(
    stack: ComposeStack, service: str, uid: int
) -> None:
    image = stack.inspect(service)["Image"]
    user = stack.inspect(service)["Config"]["User"]
    identity = stack.run(
        "docker", "run", "--rm", "--network=none", f"--user={user}", "--entrypoint=id", image, "-u"
    )
    assert identity.stdout.strip() == str(uid)


def test_every_running_process_belongs_to_its_services_account(stack: ComposeStack) -> None:
    accounts = {}
    for service in ("postgres", "pgbouncer", "port", "web", "background", "metrics"):
        listing = stack.run("docker", "top", stack.container(service), "-eo", "pid,uid")
        accounts[service] = {line.split()[1] for line in listing.stdout.splitlines()[1:]}
    assert accounts == {
        "postgres": {"5001"},
        "pgbouncer": {"5002"},
        "port": {"5006"},
        "web": {"5003"},
        "background": {"5007"},
        "metrics": {"5009"},
    }


@pytest.mark.parametrize("service", SERVICES)
def test_container_has_the_same_limits_as_every_other(stack: ComposeStack, service: str) -> None:
    host = stack.inspect(service)["HostConfig"]
    assert host["Memory"] == 1 * GIB
    assert host["PidsLimit"] == 16384
    assert host["Ulimits"] == [{"Name": "nofile", "Hard": 16384, "Soft": 16384}]


@pytest.mark.parametrize("service", SERVICES)
def test_log_of_a_container_cannot_fill_the_disk(stack: ComposeStack, service: str) -> None:
    log = stack.inspect(service)["HostConfig"]["LogConfig"]
    assert log == {"Type": "json-file", "Config": {"max-file": "3", "max-size": "10m"}}


def test_no_request_is_lost_while_the_engine_begins_a_log_anew(stack: ComposeStack) -> None:
    fill = "head -c 25000000 /dev/zero | tr '\\0' x | fold -w 1000 > /proc/1/fd/1"
    steady_load.under_load(stack.url, "localhost", lambda: stack.execute("web", "sh", "-c", fill))
    path = Path(stack.inspect("web")["LogPath"])
    assert all(log.stat().st_size < 11_000_000 for log in path.parent.glob(f"{path.name}*"))
    assert Path(f"{path}.1").exists()


@pytest.mark.parametrize("service", ["configure", "postgres", "pgbouncer", "migrate"])
def test_only_the_web_container_has_a_network(stack: ComposeStack, service: str) -> None:
    assert stack.inspect(service)["HostConfig"]["NetworkMode"] == "none"


def test_web_reaches_others_unless_that_is_closed(stack: ComposeStack) -> None:
    with listener(stack) as place:
        assert reached(stack, "web", *place) == "reached"
    assert not stack.container("forward")


def test_one_port_is_published_and_only_on_loopback(stack: ComposeStack) -> None:
    published = {}
    for service in SERVICES:
        bindings = stack.inspect(service)["HostConfig"]["PortBindings"] or {}
        published |= {
            port: [entry["HostIp"] for entry in entries] for port, entries in bindings.items()
        }
    assert published == {f"{stack.port}/tcp": ["127.0.0.1"]}


@pytest.mark.parametrize("service", SERVICES)
def test_mounts_are_read_only_but_for_what_a_service_writes(
    stack: ComposeStack, service: str
) -> None:
    writable = {
        mount["Destination"]
        for mount in stack.inspect(service)["Mounts"]
        if mount["Type"] != "tmpfs" and mount["RW"]
    }
    assert (
        writable
        == {
            "configure": {"/etc/stack", "/etc/stack-secrets", "/etc/stack-tls"},
            "postgres": {"/var/lib/postgresql", "/run/stack/postgres"},
            "pgbouncer": {"/run/stack/pooler"},
            "migrate": {"/var/lib/stack-media", "/var/cache/stack"},
            "port": set(),
            "web": {"/var/lib/stack-media", "/var/cache/stack", "/run/stack/measures"},
            "metrics": {"/run/stack/metrics"},
            "background": {
                "/var/lib/stack-media",
                "/var/cache/stack",
                "/run/stack/workers",
                "/var/lib/stack-schedule",
            },
        }[service]
    )


@pytest.mark.parametrize("service", SERVICES)
def test_no_container_reaches_the_engine_or_the_machines_files(
    stack: ComposeStack, service: str
) -> None:
    mounts = stack.inspect(service)["Mounts"]
    files = {
        mount["Destination"]: mount["Source"]
        for mount in mounts
        if mount["Type"] not in ("volume", "tmpfs")
    }
    # Where the user's own files appear when inputs name them, there is nothing without that.
    variables = (
        {"/run/secrets/environment": "/dev/null"}
        if service in {"configure", "migrate", "web", "background"}
        else {}
    )
    given = {
        "/run/given/certificate.pem": "/dev/null",
        "/run/given/key.pem": "/dev/null",
        "/srv/stack/project": str(CHECKOUT / "apache/no-project"),
    }
    assert files == {**variables, **(given if service == "configure" else {})}


@pytest.mark.parametrize(
    ("service", "signal", "seconds"),
    [("postgres", "SIGINT", 60), ("pgbouncer", "SIGINT", 30), ("web", "SIGWINCH", 60)],
)
def test_server_is_stopped_by_the_signal_that_lets_work_end(
    stack: ComposeStack, service: str, signal: str, seconds: int
) -> None:
    inspected = stack.inspect(service)
    assert inspected["Config"]["StopSignal"] == signal
    assert inspected["Config"]["StopTimeout"] == seconds
    assert inspected["HostConfig"]["RestartPolicy"]["Name"] == "unless-stopped"


@pytest.mark.parametrize("image", ["web", "postgres", "pgbouncer"])
def test_image_holds_neither_the_build_secret_nor_a_private_key(
    stack: ComposeStack, image: str
) -> None:
    look = (
        "/ -xdev ( -path /run/secrets/* -o -name ca_bundle -o -name *.key -o -name "
        "django_secret_key ) -print"
    )
    find = ("docker", "run", "--rm", "--network=none", "--user=root", "--entrypoint=find")
    done = stack.run(*find, f"{stack.project}-{image}", *look.split())
    assert done.stdout.split() == []


@pytest.mark.parametrize("service", SERVICES)
def test_environment_of_a_container_holds_no_secret(stack: ComposeStack, service: str) -> None:
    # Paths, when there are any.
    paths = {
        "STACK_TLS_KEY=",
        "STACK_DATABASE_PASSWORD_FILE=",
        "STACK_ALERT_SMTP_PASSWORD_FILE=",
    }
    entries = [entry for entry in stack.inspect(service)["Config"]["Env"] if entry not in paths]
    names = {entry.partition("=")[0] for entry in entries}
    assert not {
        name for name in names if {"PASSWORD", "SECRET", "KEY", "TOKEN"} & set(name.split("_"))
    }
