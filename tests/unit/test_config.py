"""The inputs: names, values and combinations."""

from __future__ import annotations

from pathlib import Path

import pytest

from pgstack.errors import InputError
from pgstack.planning.config import StackConfig, load
from pgstack.planning.input_names import environment_name
from pgstack.planning.input_types import parse_size
from pgstack.planning.packages import known


def refusal(environ: dict[str, str]) -> str:
    """The message with which these inputs are refused."""
    with pytest.raises(InputError) as caught:
        load(environ)
    return str(caught.value)


def test_an_empty_environment_gives_the_defaults() -> None:
    config = load({})
    assert (config.target, config.dir, config.port, config.address) == (
        "local",
        Path(".stack"),
        8000,
        "127.0.0.1",
    )
    assert (config.request_timeout, config.web_hosts, config.direct_connections) == (30, 1, 6)
    assert config.hosts == ("localhost", "127.0.0.1", "[::1]")
    assert (config.cores, config.memory, config.debian, config.processes, config.pool_size) == (
        None,
    ) * 5


def test_values_are_read_from_the_environment() -> None:
    config = load(
        {
            "STACK_CORES": " 4 ",
            "STACK_MEMORY": "2g",
            "STACK_HOSTS": "a.example, .example.org",
            "HOME": "/",
        }
    )
    assert config.cores == 4
    assert config.memory == 2147483648
    assert config.hosts == ("a.example", ".example.org")


@pytest.mark.parametrize(("text", "release"), [("12", 12), ("13", 13)])
def test_the_debian_release_can_be_set_from_the_environment(text: str, release: int) -> None:
    assert load({"STACK_DEBIAN": text}).debian == release


def test_an_empty_value_counts_as_unset() -> None:
    assert load({"STACK_CORES": "", "STACK_PORT": "  "}) == StackConfig()


def test_an_override_wins_over_the_environment() -> None:
    assert load({"STACK_PORT": "9000", "STACK_CORES": "2"}, port=9001) == StackConfig(
        port=9001, cores=2
    )


def test_the_place_of_the_plan_is_no_input() -> None:
    assert load({"STACK_PLAN": "/etc/stack/plan.json"}) == StackConfig()


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("STACK_POOLSIZE", "STACK_POOL_SIZE"),
        ("STACK_MEMROY", "STACK_MEMORY"),
        ("STACK_CORE", "STACK_CORES"),
        ("STACK_REQUEST_TIMEOUTS", "STACK_REQUEST_TIMEOUT"),
        ("STACK_WEB_HOST", "STACK_WEB_HOSTS"),
    ],
)
def test_an_unknown_name_suggests_the_near_miss(name: str, near: str) -> None:
    assert refusal({name: "1"}) == (
        f"{name}: unknown input; did you mean {near}? `manage.py stack_plan --inputs` lists every "
        f"input."
    )


def test_a_name_that_resembles_nothing_suggests_nothing() -> None:
    assert refusal({"STACK_QQQQQQQQ": "1"}) == (
        "STACK_QQQQQQQQ: unknown input; unset it. `manage.py stack_plan --inputs` lists every "
        "input."
    )


OF_OTHERS = {
    "STACK_DATABASE_URL": "postgresql://login@db.example.org/site",
    "STACK_DATABASE_PASSWORD_FILE": "/etc/word",
}
IN_CONTAINERS = {"STACK_TARGET": "compose", "STACK_DATABASE_AUTHORITY": "/etc/authority.pem"}


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"STACK_DATABASE_URL": "postgresql://login:word@db.example.org/site"}, "holds a password"),
        ({"STACK_DATABASE_URL": "postgresql://login@db.example.org"}, "names no database"),
        ({"STACK_DATABASE_URL": "postgresql://login@db/a b"}, "cannot name such a database"),
        ({"STACK_DATABASE_URL": "postgresql://login@db:x/site"}, "the URL cannot be read"),
        ({"STACK_DATABASE_URL": "postgresql://l@d/site?sslmode=require"}, "sslmode=verify-full"),
        ({"STACK_DATABASE_URL": "postgresql://l@d/site?sslmode=disable"}, "sslmode=disable"),
        ({"STACK_DATABASE_URL": ""}, "STACK_DATABASE_PASSWORD_FILE needs STACK_DATABASE_URL"),
        ({"STACK_DATABASE_PASSWORD_FILE": ""}, "needs STACK_DATABASE_PASSWORD_FILE"),
        ({"STACK_LOCALE": "icu:de-DE"}, "sorts as it was made"),
        (
            IN_CONTAINERS | {"STACK_DATABASE_AUTHORITY": ""},
            "STACK_DATABASE_AUTHORITY in containers",
        ),
        (IN_CONTAINERS | {"STACK_EGRESS": "closed"}, "needs STACK_EGRESS unset"),
    ],
)
def test_a_database_of_others_is_refused_in_one_line(changed: dict[str, str], reason: str) -> None:
    said = refusal({**OF_OTHERS, **changed})
    assert reason in said
    assert "word@" not in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize(
    ("inputs", "reason"),
    [
        ({"STACK_DATABASE_HOST": "db.example"}, "name two databases"),
        ({"STACK_NAME": "shop"}, "needs the database on the same host"),
    ],
)
def test_a_host_on_a_database_of_others_has_its_limits(inputs: dict[str, str], reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        load({**OF_OTHERS, **inputs}, target="host")


def test_an_unknown_name_is_refused_even_when_its_value_is_empty() -> None:
    assert refusal({"STACK_POOLSIZE": ""}).startswith("STACK_POOLSIZE: unknown input;")


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("512m", 536870912),
        ("512 MB", 536870912),
        ("512MiB", 536870912),
        ("2GB", 2147483648),
        ("2g", 2147483648),
        ("1T", 1099511627776),
        ("64k", 65536),
        ("1073741824", 1073741824),
        ("7b", 7),
        (" 8m ", 8388608),
    ],
)
def test_a_size_is_read_in_powers_of_1024(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["1.5g", "-1", "lots", "2gg", "2 g b", "m"])
def test_what_is_no_size_is_refused(text: str) -> None:
    assert refusal({"STACK_MEMORY": text}) == (
        f"STACK_MEMORY={text}: expected a size such as 512m, 2g or a number of bytes. "
        "Meaning: memory the stack may use."
    )


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("STACK_CORES", "0", "greater than or equal to 1"),
        ("STACK_CORES", "1025", "less than or equal to 1024"),
        ("STACK_CORES", "two", "valid integer"),
        ("STACK_MEMORY", "0", "greater than or equal to 1"),
        ("STACK_DEBIAN", "11", known()),
        ("STACK_TARGET", "cloud", "'local', 'compose', 'host' or 'cluster'"),
        ("STACK_PORT", "65536", "less than or equal to 65535"),
        ("STACK_THREADS", "65", "less than or equal to 64"),
        ("STACK_DIRECT_CONNECTIONS", "1", "greater than or equal to 2"),
        ("STACK_REQUEST_TIMEOUT", "5", "greater than or equal to 6"),
        ("STACK_TLS", "on", "'off', 'self-signed', 'files' or 'acme'"),
        ("STACK_ACCOUNT", "Root", "match pattern"),
        ("STACK_ADDRESS", "127.0.0.1\nListen 80", "expected an address"),
        ("STACK_ADDRESS", "::1", "did you mean [::1]?"),
        ("STACK_HOSTS", "::1", "did you mean [::1]?"),
        ("STACK_HOSTS", "m\u00fcnchen.de", "did you mean xn--mnchen-3ya.de?"),
        ("STACK_HOSTS", "*.shop.example", "did you mean .shop.example?"),
        ("STACK_HOSTS", "https://shop.example/", "did you mean shop.example?"),
        ("STACK_HOSTS", "shop.example:8000", "did you mean shop.example?"),
        ("STACK_HOSTS", "a b", "'a b' is not a host name"),
        ("STACK_HOSTS", "good.example, bad\nhost", "'bad\\nhost' is not a host name"),
    ],
)
def test_a_bad_value_is_named_with_its_reason(name: str, value: str, reason: str) -> None:
    message = refusal({name: value})
    assert message.startswith(f"{name}={value}: ")
    assert reason in message


def test_every_bad_value_is_named_at_once() -> None:
    lines = refusal({"STACK_CORES": "0", "STACK_PORT": "http"}).splitlines()
    assert [line.partition(":")[0] for line in lines] == ["STACK_CORES=0", "STACK_PORT=http"]


def test_no_host_at_all_is_refused() -> None:
    assert "at least 1 item" in refusal({"STACK_HOSTS": " , "})


@pytest.mark.parametrize(
    "partial",
    [{}, {"STACK_TLS_KEY": "/k.pem"}, {"STACK_TLS_CERTIFICATE": "/c.pem"}],
    ids=["none", "key", "certificate"],
)
def test_tls_from_files_needs_certificate_and_key(partial: dict[str, str]) -> None:
    assert refusal({"STACK_TLS": "files", **partial}) == (
        "STACK_TLS=files needs STACK_TLS_CERTIFICATE and STACK_TLS_KEY."
    )


@pytest.mark.parametrize("tls", ["off", "self-signed"])
@pytest.mark.parametrize("name", ["STACK_TLS_KEY", "STACK_TLS_CERTIFICATE"])
def test_certificate_files_need_tls_from_files(tls: str, name: str) -> None:
    assert refusal({"STACK_TLS": tls, name: "/x.pem"}) == (
        "STACK_TLS_CERTIFICATE and STACK_TLS_KEY need STACK_TLS=files."
    )


def test_tls_from_files_is_accepted_with_both_files() -> None:
    config = load(
        {"STACK_TLS": "files", "STACK_TLS_CERTIFICATE": "/c.pem", "STACK_TLS_KEY": "/k.pem"}
    )
    assert (config.tls, config.tls_certificate, config.tls_key) == (
        "files",
        Path("/c.pem"),
        Path("/k.pem"),
    )


def test_every_input_has_a_meaning_and_a_unit() -> None:
    for name, field in StackConfig.model_fields.items():
        assert field.description, name
        assert isinstance(field.json_schema_extra, dict), name
        assert field.json_schema_extra["unit"], name


def test_the_environment_name_is_the_upper_case_field() -> None:
    assert environment_name("pool_size") == "STACK_POOL_SIZE"


@pytest.mark.parametrize(
    "name", ["SETTINGS", "WSGI", "REQUIREMENTS", "COMMANDS", "BUILD", "ENVIRONMENT"]
)
def test_what_is_said_of_a_project_needs_one(name: str) -> None:
    assert (
        refusal({f"STACK_{name}": "shop"})
        == f"STACK_{name} needs STACK_PROJECT: the demo has its own."
    )


def test_commands_are_split_as_a_shell_splits_them() -> None:
    config = load(
        {"STACK_PROJECT": "shop", "STACK_COMMANDS": "loaddata 'two words.json'; createcachetable ;"}
    )
    assert config.commands == (("loaddata", "two words.json"), ("createcachetable",))


def test_a_build_is_commands_and_no_shell() -> None:
    given = {"STACK_PROJECT": "shop", "STACK_BUILD": "npm ci && npm run build; manage.py compress"}
    assert load(given).build == (("npm", "ci"), ("npm", "run", "build"), ("manage.py", "compress"))
    assert "STACK_BUILD=sass a.scss > a.css: sass a.scss '>' a.css: no shell runs it;" in refusal(
        {**given, "STACK_BUILD": "sass a.scss > a.css"}
    )


def test_browsers_are_told_to_insist_on_tls_only_where_there_is_tls() -> None:
    assert refusal({"STACK_HSTS": "60"}) == "STACK_HSTS=60 needs TLS: STACK_TLS, or STACK_PROXY=on."
    assert load({"STACK_HSTS": "60", "STACK_PROXY": "on"}).hsts == 60
    assert load({"STACK_TLS": "self-signed"}).hsts == 0, "nobody is told who did not ask"


def test_a_proxy_and_apache_do_not_both_end_tls() -> None:
    assert refusal({"STACK_PROXY": "on", "STACK_TLS": "self-signed"}) == (
        "STACK_PROXY=on needs STACK_TLS=off: either the proxy ends TLS or Apache does."
    )


def test_egress_is_closed_where_containers_are() -> None:
    assert refusal({"STACK_EGRESS": "closed"}).startswith(
        "STACK_EGRESS=closed needs STACK_TARGET=compose"
    )
    assert load({"STACK_EGRESS": "closed", "STACK_TARGET": "compose"}).egress == "closed"
