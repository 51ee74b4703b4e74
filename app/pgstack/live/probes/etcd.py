"""etcd's member of this host, by its JSON gateway: whoever asks shows a certificate of a member."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import urllib.request
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pgstack.errors import ProbeError


@dataclass(frozen=True)
class Value:
    """What a key has, and the lease that it goes with; no lease is empty."""

    text: str
    lease: str = ""


@dataclass(frozen=True)
class Peer:
    """A member of etcd: its number, the name that it goes by, where others reach it, and whether it
    has ever been there."""

    number: str
    name: str
    urls: tuple[str, ...]
    started: bool


@dataclass(frozen=True)
class Etcd:
    """How one member is asked. The files are the authority's certificate, and certificate and key
    of who asks."""

    address: str
    port: int
    seconds: float
    authority: str
    certificate: str
    key: str

    def value(self, key: str) -> Value | None:
        """As most members agree that it is; None for a key that is not there. Raises
        ProbeError."""
        said = self._post("kv/range", {"key": _coded(key)})
        return next((_value(row) for row in said.get("kvs", [])), None)

    def values(self, prefix: str) -> dict[str, str]:
        """Text of each key that begins so, without that beginning. Raises ProbeError."""
        end = prefix[:-1] + chr(ord(prefix[-1]) + 1)
        said = self._post("kv/range", {"key": _coded(prefix), "range_end": _coded(end)})
        rows = said.get("kvs", [])
        return {_text(row["key"]).removeprefix(prefix): _value(row).text for row in rows}

    def put(self, key: str, text: str, seconds: int = 0) -> None:
        """Have it for so many seconds, or for good. Raises ProbeError."""
        lease = self.grant(seconds) if seconds else "0"
        self._post("kv/put", {"key": _coded(key), "value": _coded(text), "lease": lease})

    def delete(self, key: str) -> None:
        """Forget a key; nothing where it is not there. Raises ProbeError."""
        self._post("kv/deleterange", {"key": _coded(key)})

    def grant(self, seconds: int) -> str:
        """A lease of so many seconds. Raises ProbeError."""
        return str(self._post("lease/grant", {"TTL": seconds})["ID"])

    def keep(self, lease: str) -> None:
        """Have a lease last for all of its time once more. Raises ProbeError, also where it is
        over."""
        said = self._post("lease/keepalive", {"ID": lease}).get("result", {})
        if int(said.get("TTL", 0)) <= 0:
            raise ProbeError(f"etcd at {self.address}: the lease {lease} is over")

    def exchange(
        self, expected: Mapping[str, Value], wanted: Mapping[str, Value], gone: Iterable[str]
    ) -> bool:
        """Have all keys that are `wanted`, and none that are to be `gone`, in one step, if those
        that are `expected` are just so; whether it was done. Raises ProbeError."""
        compare: list[dict[str, str]] = []
        for key, value in expected.items():
            compare.append({"key": _coded(key), "target": "VALUE", "value": _coded(value.text)})
            compare.append({"key": _coded(key), "target": "LEASE", "lease": value.lease or "0"})
        puts = [
            {"key": _coded(key), "value": _coded(value.text), "lease": value.lease or "0"}
            for key, value in wanted.items()
        ]
        steps = [{"requestPut": put} for put in puts]
        steps += [{"requestDeleteRange": {"key": _coded(key)}} for key in gone]
        said = self._post("kv/txn", {"compare": compare, "success": steps})
        return bool(said.get("succeeded"))

    def revoke(self, lease: str) -> None:
        """End a lease, and all keys that go with it; nothing where it is over. Raises
        ProbeError."""
        self._post("lease/revoke", {"ID": lease})

    def peers(self, agreed: bool = True) -> list[Peer]:
        """All members, as most of them agree, or as this one knows. Raises ProbeError."""
        rows = self._post("cluster/member/list", {"linearizable": agreed})["members"]
        return [
            Peer(
                row["ID"],
                row.get("name", ""),
                tuple(row.get("peerURLs", ())),
                bool(row.get("clientURLs")),
            )
            for row in rows
        ]

    def remove_peer(self, number: str) -> None:
        """Count on it no more. Raises ProbeError."""
        self._post("cluster/member/remove", {"ID": number})

    def add_peer(self, url: str) -> None:
        """Expect another one, which others reach there. Raises ProbeError."""
        self._post("cluster/member/add", {"peerURLs": [url]})

    def leads(self) -> str:
        """Number of this member where it leads the others; else empty. Raises ProbeError."""
        said = self._post("maintenance/status", {})
        own = str(said.get("header", {}).get("member_id", ""))
        return own if own and said.get("leader") == own else ""

    def hand_over(self, number: str) -> None:
        """Have another member lead the others instead of this one. Raises ProbeError."""
        self._post("maintenance/transfer-leadership", {"targetID": number})

    def health(self) -> None:
        """Raises ProbeError, with its words, unless it takes part in decisions."""
        if self._ask("health").get("health") != "true":
            raise ProbeError(f"etcd at {self.address}: it takes part in no decision")

    @cached_property
    def _way(self) -> urllib.request.OpenerDirector:
        trust = ssl.create_default_context(cafile=self.authority)
        trust.minimum_version = ssl.TLSVersion.TLSv1_3
        trust.load_cert_chain(self.certificate, self.key)
        return urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trust)
        )

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return self._ask(f"v3/{path}", json.dumps(body).encode())

    def _ask(self, path: str, body: bytes | None = None) -> dict[str, Any]:
        url = f"https://{self.address}:{self.port}/{path}"
        try:
            request = urllib.request.Request(url, body)
            with self._way.open(request, timeout=self.seconds) as answer:
                said = json.loads(answer.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise ProbeError(f"etcd at {self.address}: {error}") from None
        return said if isinstance(said, dict) else {}


def _coded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _text(coded: str) -> str:
    return base64.b64decode(coded).decode()


def _value(row: dict[str, str]) -> Value:
    return Value(_text(row.get("value", "")), row.get("lease", ""))
