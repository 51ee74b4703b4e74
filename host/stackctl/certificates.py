"""The site's certificate and key where Apache reads them: checked copies of the user's files, or a
self-signed pair."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from pgstack.errors import StackError
from pgstack.rendering import tls

from . import safe
from .safe import StackctlError
from .stack import Stack

CERTIFICATE = "pubcert.pem"
"""file of mod_md's store"""


def write(stack: Stack, renew: bool = False) -> None:
    """Write what differs; with `renew` a self-signed pair is a new one. Raises StackctlError."""
    try:
        for file in tls.files(stack, renew=renew):
            if safe.contents(file.path.parent).get(file.path.name) != file.text.encode():
                safe.write(file.path, file.text.encode(), file.mode)
    except StackError as error:
        raise StackctlError(str(error)) from None


def forget_staged(stack: Stack) -> None:
    """Delete what mod_md has staged once it is in force, for it asks for no other certificate while
    that lies there.

    Apache's parent, which brings it into force, may not: the directory belongs to its workers. A
    link that one of them has put in its place goes too; what one writes meanwhile is for the next
    time.
    """
    store, name = Path(stack.paths.tls, "acme"), stack.site.hosts[0]
    staged, used = (
        store / "staging" / name,
        safe.contents(store / "domains" / name).get(CERTIFICATE, b""),
    )
    with suppress(OSError):
        try:
            over = safe.contents(staged).get(CERTIFICATE) == used
        except safe.UnsafePath:
            over = True
        if over:
            safe.remove(staged)
