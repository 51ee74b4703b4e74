"""What a stack's own things are called on a machine that may have several."""

from __future__ import annotations

from pgstack.planning.places import Names

STACK = "stack"
"""the site of a machine that has one"""
PATTERN = r"^[a-z][a-z0-9]{0,11}$"
"""No hyphen, so that no name begins with another and a hyphen; an account's name with it has at
most 21 of the 32 characters that useradd(8) allows."""


def of(site: str) -> Names:
    """The names of a site's own things: nothing else on a Debian machine begins with `site-`."""
    own = site != STACK
    return Names(
        site=site,
        prefix=f"site-{site}" if own else STACK,
        title=f"the site {site}" if own else "the stack",
        accounts=f"{site}-" if own else "",
        cluster=site if own else "main",
        programs=f"/usr/local/lib/{f'site-{site}' if own else STACK}",
        stackctl=f"stackctl-{site}" if own else "stackctl",
        manage=f"stack-manage-{site}" if own else "stack-manage",
    )
