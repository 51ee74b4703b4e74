"""PgBouncer's own file, where a project has one."""

from __future__ import annotations

import configparser
import re
from collections.abc import Iterator

from pgstack.audit.module import Sight


def pooler_sights(text: str) -> Iterator[Sight]:
    """Hazards of a pgbouncer.ini in transaction mode; nothing for other files. Raises
    configparser.Error."""
    if "[pgbouncer]" not in text:
        return
    reader = configparser.RawConfigParser(
        strict=False, comment_prefixes=(";", "#"), allow_no_value=True
    )
    reader.read_string(
        "\n".join("" if line.startswith("%include") else line for line in text.splitlines())
    )
    if (reader["pgbouncer"].get("pool_mode") or "session").strip() != "transaction":
        return
    values = {key: (value or "").strip() for key, value in reader["pgbouncer"].items()}
    for key, hazard in (
        ("ignore_startup_parameters", "H029"),
        ("track_extra_parameters", "H031"),
        ("query_timeout", "H038"),
        ("server_reset_query", "H048"),
        ("server_reset_query_always", "H048"),
    ):
        if _is_hazard(key, values.get(key, "")):
            yield Sight(hazard, _line(text, key), f"{key} = {values[key]}", False)
    for name, value in reader.items("databases") if reader.has_section("databases") else ():
        if value is not None and re.search(r"\bconnect_query\s*=", value):
            yield Sight("H030", _line(text, name), f"{name} = {value}", False)


def _is_hazard(key: str, value: str) -> bool:
    match key:
        case "ignore_startup_parameters":
            return "options" in re.split(r"[,\s]+", value)
        case "track_extra_parameters":
            return "search_path" in value.lower()
        case "query_timeout":
            return value not in ("", "0", "0.0")
        case "server_reset_query_always":
            return value == "1"
    return value != ""


def _line(text: str, key: str) -> int:
    match = re.search(rf"^\s*{re.escape(key)}\s*=", text, re.MULTILINE | re.IGNORECASE)
    return text.count("\n", 0, match.end()) + 1 if match else 0
