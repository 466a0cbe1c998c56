"""Every docstring's plugin works as it stands, and keeps to the contract of its kind."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from .tutorials import KINDS, phase_examples, tutorial

#: What an author adds to the one fixture: samples that suit the plugin.
OVERRIDES = {
    "backend": "    def recognised(self):\n        return (MemoryFolder({'bin/rails': ''}),)\n",
    "frontend": "    def recognised(self):\n        return (MemoryFolder({'.parcelrc': '{}'}),)\n",
    "migration": "    def folder(self):\n        return MemoryFolder({'sql/V1__a.sql': 'SELECT 1', 'sql/V2__b.sql': 'SELECT 2'})\n",
}
SUITES = {"ci": "CIContract"}

TEST = """
import pytest
from stagecraft_hookspecs.contract.doubles import MemoryFolder
from stagecraft_hookspecs.contract.{kind} import {suite}
from {package}.plugin import {cls}

class Test{cls}({suite}):
    @pytest.fixture
    def provider(self):
        return {cls}()

{more}
"""

PHASES = """
import pytest
import {module}
from stagecraft_hookspecs.contract.{suite_module} import {suite}

class Test{suite}({suite}):
    @pytest.fixture
    def plugin(self):
        return {module}
"""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Write all the plugins with a test each, run pytest once as an author would, return each test's outcome."""
    root = tmp_path_factory.mktemp("tutorials")
    (root / "pyproject.toml").write_text('[tool.pytest.ini_options]\npythonpath = ["."]\n')
    for kind in KINDS:
        plugin = tutorial(kind)
        folder = root / kind
        plugin.write(folder)
        suite = SUITES.get(kind, f"{kind.capitalize()}Contract")
        text = TEST.format(kind=kind, suite=suite, package=plugin.package, cls=plugin.cls, more=OVERRIDES.get(kind, ""))
        (folder / f"test_{kind}.py").write_text(text)
    for number, source in enumerate(phase_examples()):
        (root / f"phase_example_{number}.py").write_text(source)
        text = PHASES.format(module=f"phase_example_{number}", suite_module="phases", suite="PhasesContract")
        (root / f"test_phases_{number}.py").write_text(text)
    hello = tutorial("commands")
    hello.write(root)
    text = PHASES.format(module=f"{hello.package}.plugin", suite_module="commands", suite="CommandsContract")
    (root / "test_commands.py").write_text(text)
    paths = [f"pythonpath={' '.join(['.', *KINDS])}"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rA", "--tb=short", "-p", "no:cacheprovider", "-o", *paths, "."],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.findall(r"^(PASSED|FAILED|ERROR) (\S+)", done.stdout, re.MULTILINE)
    return {"": done.stdout, **{name: outcome for outcome, name in found}}


@pytest.mark.parametrize("part", [*KINDS, "phases_0", "phases_1", "commands"])
def test_keeps_to_its_contract(part: str, outcomes: dict[str, str]) -> None:
    mine = {name: outcome for name, outcome in outcomes.items() if f"test_{part}.py" in name}
    assert "PASSED" in mine.values(), outcomes[""]
    assert set(mine.values()) == {"PASSED"}, outcomes[""]


@pytest.mark.parametrize("kind", KINDS)
def test_is_a_whole_plugin(kind: str) -> None:
    plugin = tutorial(kind)
    assert plugin.package == f"stagecraft_{plugin.entry.replace('-', '_')}"
    assert f"def stagecraft_{kind}():" in plugin.source
    namespace: dict[str, object] = {"__name__": plugin.package}
    exec(compile(plugin.source, plugin.package, "exec"), namespace)
    assert namespace[plugin.cls].name == plugin.entry  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", KINDS)
def test_names_its_contract_suite(kind: str) -> None:
    import importlib

    module = importlib.import_module(f"stagecraft_hookspecs.{kind}")
    found = re.search(r"``contract\.(\w+)\.(\w+)``", module.__doc__ or "")
    assert found, "the docstring says how to prove a plugin"
    assert found[1] == kind
    suite = getattr(importlib.import_module(f"stagecraft_hookspecs.contract.{kind}"), found[2])
    assert suite.kind == kind
    assert suite.base.__module__ == module.__name__


def test_the_readme_of_the_contract_is_true(tmp_path: Path) -> None:
    """The example in the package's docstring names things that there are."""
    import stagecraft_hookspecs.contract as contract

    assert "from stagecraft_hookspecs.contract.backend import BackendContract" in (contract.__doc__ or "")
    compile(
        re.search(r"::\n\n((?:    .*\n|\n)+)", contract.__doc__ or "")[1].replace("\n    ", "\n").strip(), "doc", "exec"
    )  # type: ignore[index]
