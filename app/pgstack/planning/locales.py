"""Sort order of the database: what STACK_LOCALE may say, how PostgreSQL says it, and what cannot be
had."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Collection, Iterable

PLAIN = "C.UTF-8"
"""by code point; every Debian has it"""
_ICU = re.compile(r"icu:[a-z]{2,3}(-[A-Za-z0-9]{1,8})*")
_LIBC = re.compile(r"(C|[a-z]{2,3}_[A-Z]{2})\.UTF-8(@[a-z]+)?")


def parse_locale(text: object) -> object:
    """`C.UTF-8`, another locale of the C library in UTF-8, or `icu:` with a language tag (BCP
    47)."""
    if not isinstance(text, str) or _ICU.fullmatch(text) or _LIBC.fullmatch(text):
        return text
    bare, _, variant = re.sub(r"(?i)\.utf-?8", "", text).partition("@")
    near = [
        f"icu:{text.removesuffix('-x-icu')}",
        f"{bare}.UTF-8" + (f"@{variant}" if variant else ""),
    ]
    meant = [name for name in near if _ICU.fullmatch(name) or _LIBC.fullmatch(name)]
    raise ValueError(
        f"expected C.UTF-8, icu:de-DE or "
        f"de_DE.UTF-8{f'; did you mean {meant[0]}?' if meant else ''}"
    )


def options(locale: str) -> str:
    """The words of CREATE DATABASE; messages and classes of characters stay those of `C.UTF-8` with
    ICU."""
    kind, _, tag = locale.rpartition(":")
    if kind:
        return f"LOCALE_PROVIDER icu ICU_LOCALE '{tag}' LOCALE '{PLAIN}'"
    return f"LOCALE_PROVIDER libc LOCALE '{locale}'"


def available() -> set[str]:
    """What the C library of this machine has, as STACK_LOCALE writes it."""
    try:
        done = subprocess.run(
            ["/usr/bin/locale", "-a"], capture_output=True, text=True, check=False
        )
    except OSError:
        return {PLAIN}
    return named(done.stdout.split())


def named(listed: Iterable[str]) -> set[str]:
    """What `locale -a` has listed, as STACK_LOCALE writes it."""
    return {PLAIN} | {name.replace(".utf8", ".UTF-8") for name in listed}


def refusal(wanted: str, existing: str, there: Collection[str]) -> str:
    """Why there can be no database with it; empty when there can.

    `existing` is what the database has that exists, empty when there is none; `there` what the
    C library has.
    """
    if existing:
        return "" if existing.lower() == wanted.lower() else changed(wanted, existing)
    if _ICU.fullmatch(wanted) or wanted in there:
        return ""
    return (
        f"STACK_LOCALE={wanted}: this machine does not have it (`locale -a`). Install it (Debian's "
        f"locales-all), "
        f"or take {_icu(wanted)}, which PostgreSQL brings with it."
    )


def changed(wanted: str, existing: str) -> str:
    """What is said where a database with another one exists."""
    return (
        f"STACK_LOCALE={wanted}: the database was made with {existing}, and cannot change it. Set "
        f"STACK_LOCALE={existing}, "
        "or dump it, drop it and restore it into a new one (docs/your-project.md, Sort order)."
    )


def refusal_in_containers(locale: str) -> str:
    """Why PostgreSQL's image cannot have it; empty when it can."""
    if ":" in locale or locale == PLAIN:
        return ""
    return f"STACK_LOCALE={locale}: the image has no locale but {PLAIN}. Take {_icu(locale)}"


def _icu(locale: str) -> str:
    return f"icu:{locale.partition('.')[0].replace('_', '-')}"
