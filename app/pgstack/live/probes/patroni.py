"""Patroni's REST API: what a member says of itself and of its cluster, and what it is asked to
do."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pgstack.errors import ProbeError

LOGIN = "stack"
"""of those who may ask for changes"""
EPOCH = "epoch"
"""tag of a member: which of the databases it has that major upgrades have made"""


NOBODY = 0
"""in the place of a status: the host answers, and no Patroni is there"""


@dataclass(frozen=True)
class Answer:
    """Status and body of an answer; the body is empty where it is no JSON object."""

    status: int
    body: dict[str, Any]

    @property
    def good(self) -> bool:
        """Whether the member is what it was asked to be."""
        return self.status == 200


@dataclass(frozen=True)
class Api:
    """How the members of a cluster are asked. `authority` is the file of who certified them,
    `password` lets changes pass."""

    port: int
    authority: str
    seconds: float
    password: str = ""

    def get(self, address: str, path: str) -> Answer:
        """What a member answers. Raises ProbeError when it does not in time."""
        return self._ask(urllib.request.Request(self._url(address, path)))  # noqa: S310 - https

    def send(self, address: str, path: str, body: dict[str, Any], method: str = "POST") -> Answer:
        """What a member answers to a wish. Raises ProbeError."""
        login = base64.b64encode(f"{LOGIN}:{self.password}".encode()).decode()
        headers = {"Content-Type": "application/json", "Authorization": f"Basic {login}"}
        words = json.dumps(body).encode()
        url = self._url(address, path)
        return self._ask(urllib.request.Request(url, words, headers, method=method))  # noqa: S310

    def _url(self, address: str, path: str) -> str:
        return f"https://{address}:{self.port}/{path}"

    @cached_property
    def _way(self) -> urllib.request.OpenerDirector:
        """Past any proxy, to nobody that the authority does not know."""
        trust = ssl.create_default_context(cafile=self.authority)
        trust.minimum_version = ssl.TLSVersion.TLSv1_3
        return urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trust)
        )

    def _ask(self, request: urllib.request.Request) -> Answer:
        try:
            return self._answered(request)
        except (OSError, http.client.HTTPException) as error:
            if isinstance(getattr(error, "reason", error), ConnectionRefusedError):
                return Answer(NOBODY, {"message": "nobody listens there"})
            raise ProbeError(f"Patroni at {request.host}: {error}") from None

    def _answered(self, request: urllib.request.Request) -> Answer:
        try:
            with self._way.open(request, timeout=self.seconds) as answer:
                return Answer(answer.status, _object(answer.read()))
        except urllib.error.HTTPError as error:  # whose words may not come
            with error:
                return Answer(error.code, _object(error.read()))


def _object(text: bytes) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        return {"message": text.decode(errors="replace").strip()}
    return value if isinstance(value, dict) else {}
