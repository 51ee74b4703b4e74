"""The ledger over HTTP: applied once, never lost, never overdrawn, and refusals that name the
field."""

from __future__ import annotations

import json
import random
import re
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
import requests


@dataclass
class Ledger:
    """A client of the ledger's JSON API."""

    url: str
    session: requests.Session

    def send(self, key: str | None, body: object) -> requests.Response:
        """Ask for a transfer; bytes go out as they are."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        if key is not None:
            headers["Idempotency-Key"] = key
        return self.session.post(
            f"{self.url}/ledger/transfers", data=data, headers=headers, timeout=60
        )

    def get(self, path: str) -> Any:
        return self.session.get(f"{self.url}/ledger/{path}", timeout=60).json()

    def balances(self) -> dict[int, int]:
        return {account["id"]: account["balance"] for account in self.get("accounts")["accounts"]}


@pytest.fixture
def ledger(stack: Any) -> Iterator[Ledger]:
    with requests.Session() as session:
        session.trust_env = False
        session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=16))
        yield Ledger(stack.url, session)


@pytest.fixture
def accounts(ledger: Ledger) -> list[int]:
    return list(ledger.balances())


def new_key() -> str:
    return f"test-{uuid.uuid4()}"


def test_a_transfer_moves_the_money_once_however_often_it_is_sent(
    ledger: Ledger, accounts: list[int]
) -> None:
    source, target = accounts[:2]
    before, key = ledger.balances(), new_key()
    body = {"source": source, "target": target, "amount": 7}
    first, second = ledger.send(key, body), ledger.send(key, body)
    assert (first.status_code, first.json()["replayed"]) == (201, False)
    assert (second.status_code, second.json()["replayed"]) == (200, True)
    assert {**second.json(), "replayed": False} == first.json()
    after = ledger.balances()
    assert (after[source] - before[source], after[target] - before[target]) == (-7, 7)


def test_a_key_cannot_serve_two_different_transfers(ledger: Ledger, accounts: list[int]) -> None:
    source, target = accounts[:2]
    key = new_key()
    ledger.send(key, {"source": source, "target": target, "amount": 7})
    for other in ((source, target, 8), (target, source, 7), (source, accounts[2], 7)):
        answer = ledger.send(key, dict(zip(("source", "target", "amount"), other, strict=True)))
        assert answer.status_code == 422
        assert answer.json()["error"]["field"] == "Idempotency-Key"


def test_a_refused_transfer_stores_nothing_and_leaves_its_key_unused(
    ledger: Ledger, accounts: list[int]
) -> None:
    source, target = accounts[:2]
    before, key = ledger.balances(), new_key()
    refused = ledger.send(key, {"source": source, "target": target, "amount": before[source] + 1})
    assert (refused.status_code, refused.json()["error"]["field"]) == (409, "amount")
    assert ledger.get(f"transfers/{key}") == {"key": key, "applied": False}
    assert ledger.balances() == before
    assert ledger.send(key, {"source": source, "target": target, "amount": 1}).status_code == 201


def test_whether_a_transfer_was_applied_can_be_looked_up(
    ledger: Ledger, accounts: list[int]
) -> None:
    key = new_key()
    ledger.send(key, {"source": accounts[0], "target": accounts[1], "amount": 3})
    stored = ledger.get(f"transfers/{key}")
    assert (stored["applied"], stored["amount"], stored["source"]) == (True, 3, accounts[0])


GOOD = {"source": 1, "target": 2, "amount": 3}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({**GOOD, "amount": 0}, "amount"),
        ({**GOOD, "amount": -5}, "amount"),
        ({**GOOD, "amount": 1.5}, "amount"),
        ({**GOOD, "amount": "3"}, "amount"),
        ({**GOOD, "amount": True}, "amount"),
        ({**GOOD, "amount": None}, "amount"),
        ({**GOOD, "amount": 10**12 + 1}, "amount"),
        ({**GOOD, "amount": 10**30}, "amount"),
        ({**GOOD, "source": 2**63}, "source"),
        ({**GOOD, "source": 2**63 - 1}, "source"),
        ({**GOOD, "target": "1\u0000"}, "target"),
        ({**GOOD, "target": [2]}, "target"),
        ({**GOOD, "target": 1}, "target"),
        ({"source": 1, "target": 2}, "amount"),
        ({**GOOD, "memo": "x"}, "memo"),
        ({**GOOD, "\ud800": 1}, "\\ud800"),
        ([], "body"),
        (b"", "body"),
        (b"{", "body"),
        (b'{"source": 1, "target": 2, "amount": NaN}', "amount"),
        (b'{"source": 1, "target": 2, "amount": "\xff"}', "body"),
        (b'{"amount": ' + b"9" * 20_000 + b"}", "body"),
        (b"[" * 60_000, "body"),
    ],
)
def test_bad_input_is_refused_naming_the_field(ledger: Ledger, body: object, field: str) -> None:
    answer = ledger.send(new_key(), body)
    assert answer.status_code == 400
    assert answer.json()["error"]["field"] == field
    assert answer.json()["error"]["message"]


@pytest.mark.parametrize("key", [None, "", "x" * 129, "white space", "a/b", "..", "käse"])
def test_a_missing_or_unusable_key_is_refused(ledger: Ledger, key: str | None) -> None:
    answer = ledger.send(key, GOOD)
    assert (answer.status_code, answer.json()["error"]["field"]) == (400, "Idempotency-Key")


def test_a_body_larger_than_any_transfer_is_refused(ledger: Ledger) -> None:
    assert ledger.send(new_key(), b'{"source": "' + b"x" * 100_000 + b'"}').status_code in (
        400,
        413,
    )


def test_only_json_is_taken_so_that_no_foreign_form_can_post(ledger: Ledger) -> None:
    answer = ledger.session.post(
        f"{ledger.url}/ledger/transfers",
        data=GOOD,
        headers={"Idempotency-Key": new_key()},
        timeout=10,
    )
    assert (answer.status_code, answer.json()["error"]["field"]) == (415, "Content-Type")


def test_concurrent_transfers_with_repeated_keys_balance_to_the_unit(
    ledger: Ledger, accounts: list[int]
) -> None:
    """200 transfers among few accounts, each sent twice, by 16 threads in a shuffled order."""
    rng = random.Random(20)
    orders = []
    for _ in range(200):
        source, target = rng.sample(accounts[:6], 2)
        orders.append(
            (new_key(), {"source": source, "target": target, "amount": rng.randint(1, 50)})
        )
    sent = orders * 2
    rng.shuffle(sent)
    audit_before, before = ledger.get("audit"), ledger.balances()

    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(lambda order: ledger.send(*order), sent))

    assert Counter(answer.status_code for answer in answers) == {201: 200, 200: 200}
    applied = [answer.json()["key"] for answer in answers if answer.status_code == 201]
    assert sorted(applied) == sorted(key for key, _ in orders)
    expected = Counter(before)
    for _, body in orders:
        expected[body["source"]] -= body["amount"]
        expected[body["target"]] += body["amount"]
    assert ledger.balances() == dict(expected)
    audit = ledger.get("audit")
    assert audit["balanced"] is True
    assert audit["transfers"] - audit_before["transfers"] == 200
    assert audit["entries"] - audit_before["entries"] == 400
    assert audit["balance_total"] == audit["opening_total"] == audit_before["balance_total"]


def test_concurrent_withdrawals_cannot_overdraw(ledger: Ledger, accounts: list[int]) -> None:
    source, target = accounts[-2:]
    half_and_one = ledger.balances()[source] // 2 + 1
    body = {"source": source, "target": target, "amount": half_and_one}
    with ThreadPoolExecutor(16) as threads:
        statuses = list(threads.map(lambda _: ledger.send(new_key(), body).status_code, range(16)))
    assert Counter(statuses) == {201: 1, 409: 15}
    back = ledger.send(new_key(), {"source": target, "target": source, "amount": half_and_one})
    assert back.status_code == 201


def test_one_key_sent_by_many_at_once_is_applied_by_one(
    ledger: Ledger, accounts: list[int]
) -> None:
    key, body = new_key(), {"source": accounts[0], "target": accounts[1], "amount": 11}
    before = ledger.balances()[accounts[0]]
    with ThreadPoolExecutor(16) as threads:
        statuses = list(threads.map(lambda _: ledger.send(key, body).status_code, range(16)))
    assert Counter(statuses) == {201: 1, 200: 15}
    assert ledger.balances()[accounts[0]] == before - 11


def form_fields(page: str) -> dict[str, str]:
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page))


def test_the_form_sent_twice_transfers_once(ledger: Ledger, accounts: list[int]) -> None:
    page = f"{ledger.url}/ledger/"
    fields = form_fields(ledger.session.get(page, timeout=10).text)
    data = {**fields, "source": accounts[0], "target": accounts[1], "amount": 5}
    before = ledger.balances()[accounts[0]]
    first = ledger.session.post(page, data=data, timeout=10, allow_redirects=False)
    second = ledger.session.post(page, data=data, timeout=10)
    assert (first.status_code, first.headers["Location"]) == (303, f"/ledger/?done={fields['key']}")
    assert "it was not applied again" in second.text
    assert ledger.balances()[accounts[0]] == before - 5


def test_the_form_is_refused_without_its_token(ledger: Ledger, accounts: list[int]) -> None:
    data = {"key": new_key(), "source": accounts[0], "target": accounts[1], "amount": 5}
    answer = ledger.session.post(f"{ledger.url}/ledger/", data=data, timeout=10)
    assert answer.status_code == 403
    assert "Form refused" in answer.text
    assert answer.headers["Content-Length"]


@pytest.mark.parametrize(
    "change",
    [
        {"amount": "x"},
        {"amount": "9" * 5000},
        {"amount": "0"},
        {"amount": "999999999999"},
        {"amount": "1\u0000"},
        {"key": "\u0000"},
        {"key": ""},
        {"key": "x" * 200},
        {"source": "999999"},
        {"source": "-1"},
        {"target": "1"},
    ],
)
def test_the_form_says_what_is_wrong_with_it(ledger: Ledger, change: dict[str, str]) -> None:
    page = f"{ledger.url}/ledger/"
    fields = form_fields(ledger.session.get(page, timeout=10).text)
    data = {**fields, "source": "1", "target": "2", "amount": "5", **change}
    answer = ledger.session.post(page, data=data, timeout=10)
    assert answer.status_code == 400
    assert 'class="errorlist' in answer.text
