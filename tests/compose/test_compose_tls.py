"""TLS in containers: a certificate made there, and the user's own, which only Apache and its
copyist get to see.

Egress is closed meanwhile: TLS goes through what holds the port then, and web reaches nothing else.
"""

from __future__ import annotations

import ssl
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from compose_stack import ComposeStack

from fixtures import steady_load
from reach import ASK_ENGINE, LOOK_UP, address, gateway, listener, reached

pytestmark = pytest.mark.compose
COPIES = "/etc/stack-tls"


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A certificate and its key that group 5000 may read."""
    directory = tmp_path_factory.mktemp("tls")
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=mine -keyout site.key -out site.pem"
    )
    subprocess.run(command.split(), cwd=directory, check=True, capture_output=True)
    (directory / "site.key").chmod(0o600)
    return {
        "STACK_TLS": "files",
        "STACK_TLS_CERTIFICATE": str(directory / "site.pem"),
        "STACK_TLS_KEY": str(directory / "site.key"),
    }


@pytest.fixture(scope="module")
def self_signed(compose_stack: ComposeStack) -> Iterator[ComposeStack]:
    """The stack over TLS, its web without a way out; afterwards as it was."""
    inputs = {"STACK_TLS": "self-signed", "STACK_EGRESS": "closed"}
    stack = replace(compose_stack, inputs=inputs)
    change(stack, "--build")
    yield stack
    change(compose_stack)


def change(stack: ComposeStack, *options: str) -> None:
    """What a changed input takes: `make down up`."""
    stack.compose("down")
    stack.up(*options)
    stack.wait_until_steady()


def served(stack: ComposeStack) -> str:
    return ssl.get_server_certificate(("127.0.0.1", stack.port), timeout=30)


def modes(stack: ComposeStack, service: str) -> list[str]:
    return sorted(
        stack.execute(service, "stat", "-c", "%a %U %G %n", f"{COPIES}/key.pem").stdout.split()
    )


def test_web_that_is_closed_reaches_neither_this_machine_nor_other_networks(
    self_signed: ComposeStack,
) -> None:
    port = str(self_signed.port)
    inner, outer = (address(self_signed, "forward", name) for name in ("closed", "default"))
    assert reached(self_signed, "web", inner, port) == "reached", "the way of asking works"
    with listener(self_signed) as place:
        assert reached(self_signed, "web", *place) == "nobody"
    assert reached(self_signed, "web", outer, port) == "nobody"
    assert reached(self_signed, "web", gateway(self_signed, "closed"), port) == "nobody"
    assert self_signed.execute("web", "cat", "/proc/net/if_inet6").stdout == ""


def test_web_that_is_closed_asks_nobody_for_names(self_signed: ComposeStack) -> None:
    assert self_signed.execute("web", "python", "-c", LOOK_UP).stdout == "unknown\n"
    assert self_signed.python(LOOK_UP).stdout == "unknown\n"
    assert self_signed.execute("web", "python", "-c", ASK_ENGINE).stdout == "True\n"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_reload_with_workers_loses_no_request_and_they_are_closed_too(
    self_signed: ComposeStack,
) -> None:
    working = self_signed.with_inputs({"STACK_WORKERS": "idle=sleep infinity"})
    command = ("/usr/bin/python3", "-B", "tools/compose_reload.py")
    done = steady_load.under_load(
        self_signed.url, "localhost", lambda: working.run(*command, check=False)
    )
    assert done.returncode == 0, done.stderr
    top = ("docker", "top", working.container("background"), "-eo", "pid,args")
    deadline = time.monotonic() + 30
    while "sleep infinity" not in working.run(*top).stdout:
        assert time.monotonic() < deadline
        time.sleep(0.5)
    inner = address(self_signed, "forward", "closed")
    port = str(self_signed.port)
    assert reached(working, "background", inner, port) == "reached", "the way of asking works"
    with listener(working) as place:
        assert reached(working, "background", *place) == "nobody"
    assert reached(working, "background", gateway(working, "closed"), port) == "nobody"
    assert working.execute("background", "python", "-c", LOOK_UP).stdout == "unknown\n"
    self_signed.run(*command)


def test_forwarder_has_an_account_and_no_rights_and_ends_gracefully(
    self_signed: ComposeStack,
) -> None:
    container = self_signed.inspect("forward")
    host, config = container["HostConfig"], container["Config"]
    assert (config["User"], config["StopSignal"], container["Mounts"]) == (
        "5005:5005",
        "SIGUSR1",
        [],
    )
    assert (host["ReadonlyRootfs"], host["CapDrop"], host["CapAdd"]) == (True, ["ALL"], None)
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert [entry["HostIp"] for entry in host["PortBindings"][f"{self_signed.port}/tcp"]] == [
        "127.0.0.1"
    ]
    told = self_signed.run("make", "--silent", "status", "TARGET=compose").stdout
    rows = "web        running\nforward    running\nbackground running\nmetrics    running\n"
    assert rows in told
    assert "\nverdict    ok: " in told


def test_web_that_was_made_anew_is_found_by_the_forwarder(self_signed: ComposeStack) -> None:
    self_signed.compose("up", "--wait", "--force-recreate", "--no-deps", "web")
    self_signed.wait_until_steady()


def test_page_and_its_health_check_speak_tls(self_signed: ComposeStack) -> None:
    assert self_signed.get("/db")[0] == 200
    assert self_signed.inspect("web")["State"]["Health"]["Status"] == "healthy"


def test_verify_is_green_over_tls_in_containers(self_signed: ComposeStack) -> None:
    done = self_signed.compose(
        "run", "--rm", "--no-TTY", "manage", "stack_verify", "--json", check=False
    )
    assert done.returncode == 0, done.stdout


def test_configure_tells_the_address(self_signed: ComposeStack) -> None:
    told = self_signed.compose("logs", "--no-log-prefix", "--tail=1", "configure").stdout
    # Compose clears the terminal's line first.
    assert told.removeprefix("\x1b[2K") == f"page      https://localhost:{self_signed.port}/\n"


def test_key_is_readable_by_apache_and_out_of_sight_elsewhere(self_signed: ComposeStack) -> None:
    assert modes(self_signed, "web") == sorted(["440", "deploy", "sockets", f"{COPIES}/key.pem"])
    assert self_signed.execute("web", "touch", f"{COPIES}/new", check=False).returncode != 0
    for service in ("postgres", "pgbouncer"):
        assert self_signed.execute(service, "test", "-e", COPIES, check=False).returncode == 1
    mounted = "import os, sys; sys.exit(bool(os.listdir(sys.argv[1])))"
    done = self_signed.python(mounted, COPIES)
    assert done.returncode == 0, done.stderr


def test_key_that_the_container_may_not_read_is_refused_by_name(
    self_signed: ComposeStack, pair: dict[str, str]
) -> None:
    before = served(self_signed)
    done = replace(self_signed, inputs=pair).compose(
        "run", "--rm", "--no-TTY", "configure", check=False
    )
    assert done.returncode == 2
    assert (
        "STACK_TLS_KEY=/run/given/key.pem: uid 5004, which runs the stack, may not read it. Let it"
        in done.stderr
    )
    assert served(self_signed) == before


def test_file_that_is_missing_is_refused_by_name(
    self_signed: ComposeStack, pair: dict[str, str]
) -> None:
    inputs = {**pair, "STACK_TLS_KEY": "/no/such.key"}
    done = replace(self_signed, inputs=inputs).compose(
        "run", "--rm", "--no-TTY", "configure", check=False
    )
    assert done.returncode != 0
    assert "/no/such.key" in done.stderr
    assert not Path("/no").exists()


@pytest.mark.slow
def test_certificate_of_the_user_is_served_in_containers(
    self_signed: ComposeStack, pair: dict[str, str]
) -> None:
    key = Path(pair["STACK_TLS_KEY"])
    subprocess.run(["chgrp", "5000", str(key)], check=True)
    key.chmod(0o640)
    stack = replace(self_signed, inputs=pair)
    change(stack)
    assert not stack.container("forward"), "`down` removes it where egress is open"
    assert served(stack) == Path(pair["STACK_TLS_CERTIFICATE"]).read_text()
    assert stack.get("/db")[0] == 200
