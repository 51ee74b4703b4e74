"""The demo's ledger, as a client of the site uses it."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

from systemd_host import SystemdHost


class Ledger:
    """Of one host."""

    def __init__(self, host: SystemdHost) -> None:
        self.host = host

    def transfer(self, *keys: str) -> None:
        for key in keys:
            order = {"source": 1, "target": 2, "amount": 5}
            assert (
                self._ask("/ledger/transfers", order, {"Idempotency-Key": key})["replayed"] is False
            )

    def has(self, *keys: str) -> list[bool]:
        return [self._applied(key) for key in keys]

    def balanced(self) -> bool:
        return bool(self._ask("/ledger/audit")["balanced"])

    def _applied(self, key: str) -> bool:
        try:
            return bool(self._ask(f"/ledger/transfers/{key}")["applied"])
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise
            error.close()
            return False

    def _ask(
        self, path: str, order: object = None, headers: dict[str, str] | None = None
    ) -> dict[str, Any]:
        data = json.dumps(order).encode() if order else None
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.host.port(80)}{path}",
            data,
            {"Host": "shop.example", "Content-Type": "application/json", **(headers or {})},
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            answers: dict[str, Any] = json.load(answer)
            return answers
