"""Several sites on one host: what each is called and gets, and which sets are refused."""

from __future__ import annotations

import re
from typing import Any

import pytest

from pgstack.errors import InputError
from pgstack.planning.plan import Plan
from pgstack.rendering import templates
from pgstack.targets.host import inventory, machine, neighbours

GB = 1024**3
HOST = {"cores": 4, "memory": 4 * GB, "debian": 13, "open_files": 65536, "ssh_ports": [22]}
BOTH = "shop:2, blog:1"
SITE: dict[str, Any] = {"address": "*", "port": 443, "tls": "self-signed", "sites": BOTH}


def planned(name: str, **inputs: Any) -> dict[str, Any]:
    """The plan of a site, as Ansible has it."""
    given = {**SITE, "name": name, "hosts": [f"{name}.example"], **inputs}
    return inventory.plan({key: value for key, value in given.items() if value is not None}, HOST)


def refused(name: str, **inputs: Any) -> str:
    with pytest.raises(InputError) as error:
        planned(name, **inputs)
    assert len(str(error.value).splitlines()) == 1
    return str(error.value)


def test_memory_and_cores_are_divided_by_weight() -> None:
    shop, blog = planned("shop"), planned("blog")
    assert [plan["memory"]["total"] // 1024**2 for plan in (shop, blog)] == [2656, 1328]
    assert [plan["cores"] for plan in (shop, blog)] == [2, 1]
    assert shop["postgres"]["max_connections"] > blog["postgres"]["max_connections"]


def test_each_has_ports_of_its_own_behind_one_front() -> None:
    shop, blog = planned("shop")["site"], planned("blog")["site"]
    assert [(site["address"], site["port"]) for site in (shop, blog)] == [
        ("127.0.0.1", 8500),
        ("127.0.0.1", 8501),
    ]
    assert shop["instance_ports"] == {"a": 8441, "b": 8442}
    assert blog["instance_ports"] == {"a": 8443, "b": 8444}
    assert planned("blog")["front"]["hosts"] == ["blog.example"]


def test_no_path_or_account_of_two_sites_is_the_same() -> None:
    shop, blog = planned("shop"), planned("blog")
    paths = [
        {
            path
            for path in (*plan["paths"].values(), *plan["paths"]["drain"].values())
            if str(path) == path
        }
        for plan in (shop, blog)
    ]
    assert not paths[0] & paths[1]
    assert not set(shop["accounts"].values()) & set(blog["accounts"].values())


def test_files_that_two_sites_both_have_have_the_same_text() -> None:
    texts = [
        {file.path: file.text for file in templates.files(Plan.model_validate(planned(name)))}
        for name in ("shop", "blog")
    ]
    both = texts[0].keys() & texts[1].keys()
    assert {path.name for path in both} >= {"nftables.conf", "sites-firewall.service"}
    assert [str(path) for path in both if texts[0][path] != texts[1][path]] == []


def test_one_site_that_has_a_name_answers_itself() -> None:
    plan = planned("shop", sites=None)
    assert (plan["front"], plan["share"], plan["site"]["port"]) == (None, None, 443)
    assert plan["memory"]["total"] == 4 * GB


@pytest.mark.parametrize(
    ("name", "inputs", "words"),
    [
        (
            "shop",
            {"sites": "shop:2, blog:x"},
            "STACK_SITES=shop:2, blog:x: blog:x: expected a weight",
        ),
        ("shop", {"sites": "shop, shop:2"}, "shop is there twice"),
        ("shop", {"sites": "shop, Blog"}, "'Blog' is not the name of a site"),
        ("shop", {"sites": "stack, shop"}, "give each of several a name of its own"),
        ("wiki", {}, "STACK_SITES names shop, blog, and this site is wiki"),
        ("Shop", {}, "STACK_NAME=Shop"),
        ("shop", {"tls": "off"}, "STACK_TLS is files or self-signed"),
        ("shop", {"tls": "acme", "acme_email": "a@b.example"}, "STACK_TLS is files or self-signed"),
        ("shop", {"tls": "off", "proxy": "on"}, "and STACK_PROXY off"),
        ("shop", {"port": 8443}, "STACK_PORT=8443: several sites share port 443"),
        ("shop", {"database_host": "db"}, "STACK_NAME=shop needs the database on the same host"),
        (
            "blog",
            {"sites": "shop:60, blog:1"},
            r"blog has 1/61 of 4000 MB \(of 4096 MB, without 96 MB of the Apache in front\)",
        ),
    ],
)
def test_what_cannot_be_is_refused(name: str, inputs: dict[str, Any], words: str) -> None:
    assert re.search(words, refused(name, **inputs))


def plans(*plans: dict[str, Any]) -> list[dict[str, Any]]:
    """What host/survey.py tells of sites that are there."""
    parts = ("names", "share", "memory", "site", "front", "firewall", "backup", "metrics")
    return [{name: plan[name] for name in parts} for plan in plans]


def test_sites_of_one_set_fit_beside_each_other() -> None:
    assert neighbours.reasons(planned("shop"), plans(planned("blog"))) == []
    assert neighbours.reasons(planned("shop"), []) == []


THREE = "shop:2, blog:1, wiki:1"


@pytest.mark.parametrize(
    ("new", "there", "words"),
    [
        (
            planned("wiki", sites=THREE),
            plans(planned("shop"), planned("blog")),
            "992 wiki + 2656 shop + 1328 blog + 96 the Apache in front = 5072 MB",
        ),
        (planned("shop", sites=None), plans(planned("blog")), "shop would have the host to itself"),
        (
            planned("shop"),
            plans(planned("stack", sites=None)),
            "stack is on this host and not among shop, blog",
        ),
        (
            planned("shop", hosts=["blog.example"]),
            plans(planned("blog")),
            "hosts: blog.example is a name of blog too",
        ),
        (
            planned("shop", firewall="off"),
            plans(planned("blog")),
            "firewall: blog has it otherwise",
        ),
        (planned("shop", address="127.0.0.1"), plans(planned("blog")), "address: 127.0.0.1 here"),
        (
            planned("shop", sites="blog:1, shop:2"),
            plans(planned("blog")),
            "loopback port 8443 is that of blog, whose place in the list differs",
        ),
        (
            planned("shop", metrics_port=8401),
            plans(planned("blog", metrics_port=8401)),
            "metrics_port: 8401 is that of blog",
        ),
        (
            planned("shop", backup_path="/srv/backups"),
            plans(planned("blog", backup_path="/srv/backups")),
            "backup_path: /srv/backups is that of blog",
        ),
    ],
)
def test_what_does_not_fit_is_told(
    new: dict[str, Any], there: list[dict[str, Any]], words: str
) -> None:
    assert any(reason.startswith(words) for reason in neighbours.reasons(new, there)), (
        neighbours.reasons(new, there)
    )


def test_a_third_site_fits_once_the_others_have_shrunk() -> None:
    shrunk = plans(planned("shop", sites=THREE), planned("blog", sites=THREE))
    assert neighbours.reasons(planned("wiki", sites=THREE), shrunk) == []


def test_the_front_may_hold_the_public_ports_and_nobody_else() -> None:
    def holds(unit: str) -> machine.Listener:
        return {"port": 443, "address": "0.0.0.0", "program": "apache2", "unit": unit}

    assert machine.port_conflicts(planned("shop"), [holds("sites-front@a.service")]) == []
    assert machine.port_conflicts(planned("shop"), [holds("stack-apache@a.service")]) != []
    assert (
        machine.port_conflicts(planned("shop", sites=None), [holds("sites-front@a.service")]) != []
    )
