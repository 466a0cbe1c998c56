"""What can be said of the Node example without running it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

BASIC_NODE = Path(__file__).parents[2] / "examples" / "basic-node"


@pytest.mark.parametrize("part", ["api", "web"])
def test_the_lock_file_has_hashes_and_names_no_registry(part: str) -> None:
    text = (BASIC_NODE / part / "package-lock.json").read_text()
    packages = {name: package for name, package in json.loads(text)["packages"].items() if name}
    assert packages
    assert [name for name, package in packages.items() if not package.get("integrity")] == []
    assert [name for name, package in packages.items() if "resolved" in package] == []
    assert "omit-lockfile-registry-resolved=true" in (BASIC_NODE / part / ".npmrc").read_text()


@pytest.mark.parametrize("part", ["api", "web"])
def test_the_lock_file_belongs_to_the_package_file(part: str) -> None:
    package = json.loads((BASIC_NODE / part / "package.json").read_text())
    locked = json.loads((BASIC_NODE / part / "package-lock.json").read_text())["packages"][""]
    for key in ("name", "version", "dependencies", "devDependencies"):
        assert locked.get(key) == package.get(key)
