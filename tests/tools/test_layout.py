"""Rules for where tests lie, which make `pytest` over the whole checkout work."""

from __future__ import annotations

import subprocess

from tools.bootstrap import ROOT


def test_no_test_folder_of_a_distribution_is_a_package() -> None:
    """Several are called `tests`: as packages they would be one and the same. Relative imports work without."""
    roots = [*(ROOT / "plugins").glob("*/tests"), ROOT / "hookspecs/tests", ROOT / "tests"]
    assert [str(root.relative_to(ROOT)) for root in roots if (root / "__init__.py").exists()] == []


def test_no_file_says_where_this_checkout_lies() -> None:
    """A path of one machine makes a test pass there and fail everywhere else."""
    here = str(ROOT).encode()
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False).stdout.split(b"\0")
    files = [ROOT / name.decode() for name in listed if name]
    assert [str(file.relative_to(ROOT)) for file in files if file.is_file() and here in file.read_bytes()] == []
