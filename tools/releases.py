"""Images of the Compose stack's web, one for each release that was served.

A release is a tag of the image, the time at which it was released. Their order is the order in
which they served: a release puts one on top, a rollback takes it away.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

import containers
from containers import Container

KEPT = 5
TAG = re.compile(r"\d{8}-\d{6}")


def served(web: Container) -> list[tuple[str, str]]:
    """Name and image of each release, the oldest first."""
    form = "--format={{.Tag}} {{.ID}}"
    listed = containers.require("image", "ls", "--no-trunc", form, web.named).splitlines()
    rows = (line.split() for line in listed)
    return sorted((f"{web.named}:{tag}", image) for tag, image in rows if TAG.fullmatch(tag))


def save(web: Container) -> None:
    """Name the image that serves, where it is not the newest release; delete the oldest but
    KEPT."""
    known = served(web)
    if not known or known[-1][1] != web.image:
        containers.require("tag", web.image, f"{web.named}:{datetime.now(UTC):%Y%m%d-%H%M%S}")
    for name, _ in served(web)[:-KEPT]:
        containers.run("image", "rm", name)


def before(web: Container) -> tuple[str, str] | None:
    """Name and image of the release before the one that serves; None where there is none."""
    others = [release for release in served(web) if release[1] != web.image]
    return others[-1] if others else None


def forget(web: Container) -> None:
    """Take the names away of what has served until now, and was gone back from."""
    for name, image in served(web):
        if image == web.image:
            containers.run("image", "rm", name)
