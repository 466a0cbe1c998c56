"""The lock files: complete, with hashes, for every supported Python, and tied to no package index."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tools.bootstrap import ROOT, projects
from tools.locks import extra_requirements, read_pyproject, runtime_requirements

LOCKS = ("demo", "dev")
PINNED = re.compile(r"^([a-zA-Z0-9._-]+)==(\S+)(?: ; (.+?))? \\$", re.M)


def text_of(name: str) -> str:
    return (ROOT / "requirements" / f"{name}.lock").read_text()


def pins(name: str) -> dict[str, str]:
    return {canonicalize_name(package): version for package, version, _ in PINNED.findall(text_of(name))}


def wanted(name: str) -> list[Requirement]:
    declared = [read_pyproject(folder) for folder in projects()]
    lines = runtime_requirements(declared)
    if name == "dev":
        own = (ROOT / "requirements/dev.in").read_text().splitlines()
        lines = lines + extra_requirements(declared) + [line for line in own if not line.startswith("#")]
    return [Requirement(line) for line in lines]


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_satisfies_what_every_distribution_declares(name: str) -> None:
    have = pins(name)
    unmet = [str(r) for r in wanted(name) if not r.specifier.contains(have.get(canonicalize_name(r.name), "0"))]
    assert unmet == [], "run `python3 tasks.py lock`"


@pytest.mark.parametrize("name", LOCKS)
def test_every_package_has_hashes(name: str) -> None:
    blocks = re.split(r"\n(?=[a-zA-Z])", text_of(name).partition("\n")[2])
    assert len(blocks) == len(pins(name))
    assert all("--hash=sha256:" in block for block in blocks)


@pytest.mark.parametrize("path", sorted((ROOT / "requirements").iterdir()), ids=lambda path: path.name)
def test_no_index_is_named(path: Path) -> None:
    assert not re.search(r"://|--(index|extra-index|find-links|trusted-host)|@ file:", path.read_text())


def test_the_larger_environment_serves_the_demo_too() -> None:
    assert pins("demo").items() <= pins("dev").items()
