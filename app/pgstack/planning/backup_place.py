"""How restic names where backups are kept. Without dependencies: tools read it too."""

from __future__ import annotations


def bucket(host: str, name: str, region: str, path: str) -> tuple[str, tuple[str, ...]]:
    """Repository and options of a bucket; `host` may have a port."""
    options = ("s3.bucket-lookup=path", f"s3.region={region}")
    return f"s3:https://{host}/{name}{path}", options
