"""The ledger for people: a form, the latest transfers, the balances."""

from __future__ import annotations

from uuid import uuid4

from django import forms
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from demo import ledger
from demo.ledger_input import MAX_AMOUNT, MAX_ID, BadInput, make_order, parse_key
from demo.models import Account, Transfer
from pgstack.db.replica import reads_replica

LATEST = 10
"""Transfers shown."""


class TransferForm(forms.Form):
    """A transfer. The hidden key makes a second press of the button harmless.

    The template writes the two lists of accounts itself: Django's select renders a template
    for each option, which made the page nearly twice as slow.
    """

    key = forms.CharField(widget=forms.HiddenInput)
    source = forms.IntegerField(min_value=1, max_value=MAX_ID, label="From")
    target = forms.IntegerField(min_value=1, max_value=MAX_ID, label="To")
    amount = forms.IntegerField(min_value=1, max_value=MAX_AMOUNT, label="Amount")

    def apply(self) -> ledger.Receipt | None:
        """Make the transfer; None when it was refused, and the form then says why."""
        data = self.cleaned_data
        try:
            order = make_order(data["key"], data["source"], data["target"], data["amount"])
            return ledger.transfer(order)
        except (BadInput, ledger.UnknownAccount) as error:
            self.add_error(error.field if error.field in self.fields else None, str(error))
        except ledger.InsufficientFunds as error:
            self.add_error("amount", str(error))
        except ledger.KeyReused:
            # The way back to a form that was sent. It must not be a dead end: a new key, and a new
            # decision.
            self.data = {name: self.data.get(name) for name in self.fields} | {"key": str(uuid4())}
            self.add_error(
                None,
                "This form made a different transfer before. Send it again to make this one too.",
            )
        return None


@require_http_methods(["GET", "HEAD", "POST"])
@reads_replica
def ledger_page(request: HttpRequest) -> HttpResponse:
    """Show the ledger, or make a transfer and come back with its receipt."""
    accounts = list(Account.objects.order_by("pk"))
    status = 200
    if request.method == "POST":
        form = TransferForm(request.POST)
        receipt = form.apply() if form.is_valid() else None
        if receipt:
            query = f"?{'again' if receipt.replayed else 'done'}={receipt.key}"
            return HttpResponseRedirect(reverse("demo:ledger") + query, status=303)
        status = 400
    else:
        form = TransferForm(initial=_first_choices(accounts))
    latest = list(Transfer.objects.select_related("source", "target").order_by("-pk")[:LATEST])
    context = {
        "form": form,
        "accounts": accounts,
        "latest": latest,
        "total": sum(account.balance for account in accounts),
        "opening": sum(account.opening for account in accounts),
        "receipt": _receipt(request.GET.get("done") or request.GET.get("again") or ""),
        "again": "again" in request.GET,
        "api": request.build_absolute_uri(reverse("demo:transfers")),
    }
    return render(request, "demo/ledger.html", context, status=status)


def _first_choices(accounts: list[Account]) -> dict[str, object]:
    ids = [account.pk for account in accounts[:2]]
    return {
        "key": str(uuid4()),
        "amount": 100,
        **dict(zip(("source", "target"), ids, strict=False)),
    }


def _receipt(key: str) -> ledger.Receipt | None:
    """The transfer that the address speaks of; None for none, and for nonsense."""
    try:
        return ledger.find(parse_key(key))
    except BadInput:
        return None
