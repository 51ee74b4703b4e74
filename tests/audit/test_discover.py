"""What an audit reads is the project's and its apps' packages; what pip and conda have put there is
neither."""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path

import pytest

from pgstack.audit import discover


def make(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def read(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in discover.files([root]))


def test_what_pip_has_put_beside_the_project_is_passed_over(tmp_path: Path) -> None:
    make(
        tmp_path,
        "shop/views.py",
        "vendor/ours.py",
        "vendor/theirs/views.py",
        "vendor/six.py",
        "theirs/views.py",
    )
    record = tmp_path / "vendor/theirs-1.dist-info/RECORD"
    make(record.parent, "RECORD", "INSTALLER")
    assert len(read(tmp_path)) == 5
    record.write_text(
        "theirs/__init__.py,,\ntheirs/views.py,sha256=x,1\nsix.py,,\ntheirs-1.dist-info/RECORD,,\n"
    )
    assert read(tmp_path) == ["shop/views.py", "theirs/views.py", "vendor/ours.py"]


def test_an_environment_of_conda_is_passed_over(tmp_path: Path) -> None:
    make(tmp_path, "shop/views.py", "conda/bin/tool.py", "conda/conda-meta/history")
    assert read(tmp_path) == ["shop/views.py"]


def test_a_directory_of_packages_that_is_named_is_read(tmp_path: Path) -> None:
    packages = tmp_path / "site-packages"
    make(packages, "theirs/views.py", "theirs-1.dist-info/RECORD", "theirs-1.dist-info/INSTALLER")
    (packages / "theirs-1.dist-info/RECORD").write_text("theirs/views.py,,\n")
    assert read(packages) == ["theirs/views.py"]


def test_of_a_namespace_only_the_apps_own_package_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(
        tmp_path,
        "acme_of_tests/shop/__init__.py",
        "acme_of_tests/shop/views.py",
        "acme_of_tests/other/__init__.py",
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sysconfig, "get_path", lambda _name: str(tmp_path))
    paths = discover.package_paths(["acme_of_tests.shop.apps.ShopConfig"])
    assert paths == [tmp_path / "acme_of_tests/shop"]
    for name in [name for name in sys.modules if name.startswith("acme_of_tests")]:
        monkeypatch.delitem(sys.modules, name)
