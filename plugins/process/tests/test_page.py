"""The page says what the code says."""

from __future__ import annotations

import re
from pathlib import Path

import attrs

from stagecraft_process import client, lints
from stagecraft_process.runtime import Process

TEXT = (Path(__file__).parents[3] / "spec/providers/runtime-process.md").read_text()


def test_configuration_keys():
    told = re.findall(r"^\| `(\w+)` \| (\w+) \| (\S+) \| (.*) \|$", TEXT, re.MULTILINE)
    assert told == [(f.name, "number", str(f.default), f.metadata["help"]) for f in attrs.fields(Process.Config)]


def test_findings():
    source = Path(lints.__file__).read_text()
    codes = set(re.findall(r'"(process-[a-z-]+)"', source))
    assert set(re.findall(r"`(process-[a-z-]+)`", TEXT)) == codes


def test_inherited_variables():
    (told,) = re.findall(r"deployer it inherits (.*?) and nothing else", TEXT)
    assert sorted(re.findall(r"`(\w+)`", told)) == sorted(client.INHERITED)
