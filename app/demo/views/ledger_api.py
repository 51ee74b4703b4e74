"""The ledger as JSON.

These views are exempt from CSRF protection, because there is nothing to protect: they read
no cookie and no session, so a foreign page that makes a visitor's browser call them gains
nothing over calling them itself. It could not even: the header and the content type that
they require make a browser ask for a permission (CORS preflight) that is never given.
"""

from __future__ import annotations

from dataclasses import asdict

from django.http import HttpRequest, JsonResponse, UnreadablePostError
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST

from demo import ledger
from demo.ledger_input import BadInput, parse_key, parse_order
from demo.models import Account


@csrf_exempt
@require_POST
def transfers(request: HttpRequest) -> JsonResponse:
    """Make a transfer.

    201 applied; 200 it had been applied before under this key (`replayed`); 400 bad input,
    naming the field; 409 insufficient funds; 415 not JSON; 422 the key belongs to another transfer.
    """
    if request.content_type != "application/json":
        return _refusal(415, "Content-Type", "Send application/json.")
    try:
        order = parse_order(parse_key(request.headers.get("Idempotency-Key", "")), request.body)
        receipt = ledger.transfer(order)
    except UnreadablePostError:
        return _refusal(400, "body", "The body did not arrive in full.")
    except (BadInput, ledger.UnknownAccount) as error:
        return _refusal(400, error.field, str(error))
    except ledger.InsufficientFunds as error:
        return _refusal(409, "amount", str(error))
    except ledger.KeyReused as error:
        return _refusal(422, "Idempotency-Key", str(error))
    return JsonResponse(asdict(receipt), status=200 if receipt.replayed else 201)


@require_GET
def transfer(request: HttpRequest, key: str) -> JsonResponse:
    """Tell whether a transfer was applied: 200 with its receipt, or 404."""
    try:
        receipt = ledger.find(parse_key(key))
    except BadInput as error:
        return _refusal(400, error.field, str(error))
    if receipt is None:
        return JsonResponse({"key": key, "applied": False}, status=404)
    return JsonResponse({**asdict(receipt), "applied": True})


@require_GET
def audit(request: HttpRequest) -> JsonResponse:
    """The sums of the books, and whether they balance."""
    books = ledger.audit()
    return JsonResponse({"balanced": books.balanced, **asdict(books)})


@require_GET
def accounts(request: HttpRequest) -> JsonResponse:
    """All accounts: the ids that a transfer may name."""
    return JsonResponse(
        {"accounts": list(Account.objects.order_by("pk").values("id", "name", "balance"))}
    )


def _refusal(status: int, field: str, message: str) -> JsonResponse:
    return JsonResponse({"error": {"field": field, "message": message}}, status=status)
