"""`make release` and `make rollback` on Compose: other code serves, and no request is lost.

The image is built, checked and tried, and the schema migrated, while what serves goes on; then
another web container takes over. Whatever fails on the way, what served before serves on.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import background_containers
import compose_failure
import containers
import debian
import pooler_takeover
import releases
import web_takeover
from containers import Container
from debian import ToolError, say

GOALS = ("release", "rollback")
KEPT = "What served before keeps serving."
STEP = re.compile(r"^#\d+ [\d.]+ ", re.MULTILINE)
"""what BuildKit puts before a line"""
AS_WEB = ("--user=app", "--entrypoint=python")
"""a command of `manage`, which shares the network of web and comes after requests"""


def release() -> None:
    """Serve the code that is in the checkout now. Raises ToolError."""
    old = web_takeover.serving()
    releases.save(old)
    # What is built takes the processor: requests wait, and all workers are busy meanwhile.
    with _image_kept(old), web_takeover.no_keepalive(old):
        _build()
        _try("check", "migrate", "python", "manage.py", "check")
        _try("migrate", "migrate")
        _reconnect()
        _try("trial", "manage", "-m", "pgstack.serving.trial", options=AS_WEB)
        with background_containers.ended():
            web_takeover.take_over(old)
    releases.save(containers.only_container("web"))
    say("released  with `make rollback` the release before it serves again")


def rollback() -> None:
    """Serve the release before the one that serves; its schema stays. Raises ToolError."""
    old = web_takeover.serving()
    releases.save(old)
    before = releases.before(old)
    if before is None:
        raise ToolError("there is no release before the one that serves. Nothing was changed.")
    with _image_kept(old):
        containers.require("tag", before[1], old.named)
        _try("trial", "manage", "-m", "pgstack.serving.trial", options=AS_WEB)
        with background_containers.ended():
            web_takeover.take_over(old)
    releases.forget(old)
    say(f"went back to {before[0]}")


@contextmanager
def _image_kept(old: Container) -> Iterator[None]:
    """Within it the names of the images may come to mean others; they mean what they did when it
    fails."""
    base = f"{old.named.removesuffix('-web')}-base"
    names = {old.named: old.image, base: containers.image_id(base)}
    try:
        yield
    except BaseException as error:
        for name, image in names.items():
            containers.run("tag", image, name)
        if isinstance(error, ToolError):
            raise ToolError(f"{str(error).strip().rstrip('.')}.\n{KEPT}") from None
        raise


def _build() -> None:
    """Images of the code that is there. Raises ToolError."""
    for service in ("configure", "web"):
        done = containers.run("compose", "--progress=plain", "build", service)
        if done.returncode:
            text = STEP.sub("", containers.output_of(done))
            raise ToolError(f"the image was not built: {_reason(service, text)}")
    say("built     the image")


def _try(what: str, service: str, *words: str, options: Sequence[str] = ()) -> None:
    """Run what the new code has to pass. Raises ToolError with its reason."""
    done = containers.once(service, *words, options=options)
    if done.returncode:
        raise ToolError(f"{what}: {_reason(what, containers.output_of(done))}")
    say(f"passed    {what}")


def _reason(service: str, text: str) -> str:
    """A traceback's reason, else the line that names an error, else the last words."""
    if reason := compose_failure.last_reason(service, text):
        return reason
    errors = [line.strip() for line in text.splitlines() if "Error: " in line or "ERROR: " in line]
    own = [line for line in errors if "failed to solve" not in line]
    return (own or errors or [containers.last_words(text)])[-1]


def _reconnect() -> None:
    """Make PgBouncer replace its backends, which know the schema as it was."""
    pooler = containers.only_container("pgbouncer")
    with suppress(ToolError):
        pooler_takeover.ask(pooler, containers.plan(), "RECONNECT")


def work() -> None:
    """Do what the command line names."""
    with containers.exclusive():
        {"release": release, "rollback": rollback}[sys.argv[1]]()


if __name__ == "__main__":
    debian.main(sys.argv[1], work)
