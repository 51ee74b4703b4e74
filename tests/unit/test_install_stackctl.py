"""stackctl's virtual environment: root's pip runs no code of a package, and a failure leaves what
was there."""

from __future__ import annotations

import hashlib
import io
import subprocess
import tarfile
from pathlib import Path

import pytest

import install_stackctl

BACKEND = "open({mark!r}, 'w').close()\n"
PROJECT = """\
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""


def source_distribution(directory: Path, mark: Path) -> str:
    """One whose build would make `mark`; its line of requirements."""
    files = {
        "PKG-INFO": "Metadata-Version: 2.1\nName: trap\nVersion: 1\n",
        "pyproject.toml": PROJECT,
        "backend.py": BACKEND.format(mark=str(mark)),
    }
    path = directory / "trap-1.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name, text in files.items():
            entry = tarfile.TarInfo(f"trap-1/{name}")
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
    return f"trap==1 --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"


def test_a_package_that_would_run_code_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark, venv = tmp_path / "ran", tmp_path / "venv-1"
    line = source_distribution(tmp_path, mark)
    (tmp_path / install_stackctl.REQUIREMENTS).write_text(line)
    monkeypatch.setattr(install_stackctl, "ROOT", tmp_path)
    venv.mkdir()
    (venv / "before").touch()
    with pytest.raises(subprocess.CalledProcessError) as failed:
        install_stackctl.make(venv, f'PIP_NO_INDEX="1"\nPIP_FIND_LINKS="{tmp_path}"\n')
    assert not mark.exists()
    assert "No matching distribution found for trap" in failed.value.stdout
    assert (venv / "before").exists()


def test_the_newest_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install_stackctl, "ROOT", tmp_path)
    for name in ("code-1", "code-2", "code-3", "venv-1"):
        (tmp_path / name).mkdir()
    install_stackctl.forget(tmp_path / "code-3")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["code-2", "code-3", "venv-1"]
