"""The ledger's form in Chromium, as a person uses it."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect


def balance(page: Page, name: str) -> int:
    return int(
        page.locator(".balances li", has_text=name).locator("b").inner_text().replace(",", "")
    )


@pytest.fixture
def form(stack: Any, open_page: Any) -> Page:
    page = open_page(f"{stack.url}/ledger/")
    page.get_by_label("From").select_option(label="Coral Oak")
    page.get_by_label("To").select_option(label="Hazel Elm")
    page.get_by_label("Amount").fill("25")
    return page


def test_a_transfer_through_the_form_moves_the_money(form: Page) -> None:
    before = balance(form, "Coral Oak"), balance(form, "Hazel Elm")
    form.get_by_role("button", name="Transfer").click()
    expect(form.locator(".notice")).to_contain_text("Transferred 25.")
    assert (balance(form, "Coral Oak"), balance(form, "Hazel Elm")) == (
        before[0] - 25,
        before[1] + 25,
    )
    latest = form.get_by_role("region", name="Latest transfers").locator("tbody tr").first
    expect(latest).to_contain_text("Coral Oak")
    expect(latest).to_contain_text("Hazel Elm")
    expect(form.get_by_text("balanced", exact=True)).to_be_visible()


def send_as_remembered(form: Page, amount: str) -> None:
    """Send the form again as a browser may remember it on the way back: with the key it was sent
    with before."""
    key = form.url.split("=")[1]
    form.evaluate("(key) => { document.getElementById('id_key').value = key; }", key)
    form.get_by_label("From").select_option(label="Coral Oak")
    form.get_by_label("To").select_option(label="Hazel Elm")
    form.get_by_label("Amount").fill(amount)
    form.get_by_role("button", name="Transfer").click()


def test_a_double_click_transfers_once(form: Page) -> None:
    before = balance(form, "Coral Oak")
    form.get_by_role("button", name="Transfer").dblclick()
    expect(form.locator(".notice")).to_contain_text("25")
    form.reload()
    assert balance(form, "Coral Oak") == before - 25


def test_a_form_sent_again_from_the_browsers_memory_transfers_nothing(form: Page) -> None:
    form.get_by_role("button", name="Transfer").click()
    expect(form.locator(".notice")).to_contain_text("Transferred 25.")
    after = balance(form, "Coral Oak")
    send_as_remembered(form, "25")
    expect(form.locator(".notice")).to_contain_text("it was not applied again")
    assert balance(form, "Coral Oak") == after


def test_a_form_sent_again_with_another_amount_asks_first(form: Page, troubles: Any) -> None:
    troubles.allowed = ["status of 400"]
    form.get_by_role("button", name="Transfer").click()
    expect(form.locator(".notice")).to_contain_text("Transferred 25.")
    send_as_remembered(form, "26")
    expect(form.get_by_role("alert")).to_contain_text("Send it again to make this one too.")
    form.get_by_role("button", name="Transfer").click()
    expect(form.locator(".notice")).to_contain_text("Transferred 26.")


def test_a_refusal_stands_beside_its_field_and_keeps_the_choices(form: Page, troubles: Any) -> None:
    troubles.allowed = ["status of 400"]
    form.get_by_label("Amount").fill("999999999")
    form.get_by_role("button", name="Transfer").click()
    expect(form.locator("#id_amount_error")).to_contain_text("The account holds")
    expect(form.get_by_label("From").locator("option:checked")).to_have_text("Coral Oak")
    expect(form.get_by_label("To").locator("option:checked")).to_have_text("Hazel Elm")
