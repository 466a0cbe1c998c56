"""The page about the tasks lists the tasks there are, with their flags and first lines."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "spec/core/tooling.md").read_text()
ROW = re.compile(r"^\| `([a-z -]+)` \| (.*?) ?\| (.+) \|$", re.M)
ASK = """
import inspect, json, sys
sys.path.insert(0, ".")
import tasks
found = dict(tasks.namespace().tasks)
for name, task in tasks.namespace().collections["testbed"].tasks.items():
    found["testbed " + name] = task
print(json.dumps({
    name: [sorted("--" + a.name for a in task.get_arguments()), inspect.getdoc(task.body)]
    for name, task in found.items()
}))
"""


def test_the_page_lists_the_tasks() -> None:
    said = subprocess.run([sys.executable, "-c", ASK], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    page = {name: [re.findall(r"--[a-z]+", flags), text] for name, flags, text in ROW.findall(PAGE)}
    assert page == json.loads(said)


def test_every_variable_that_the_tooling_reads_is_on_the_page_and_in_the_guide() -> None:
    sources = [*(ROOT / "tools").glob("*.py"), *(ROOT / "tests/testbed").glob("*.py"), ROOT / ".ci/run"]
    read = {
        name for path in sources for name in re.findall(r"\bSTAGECRAFT_(?:TESTBED|REQUIRE|TEST)\w*", path.read_text())
    }
    guide = (ROOT / "CONTRIBUTING.md").read_text()
    assert {name for name in read if f"`{name}" not in guide} == set()
    assert {name for name in read if not name.startswith("STAGECRAFT_TEST_") and name not in PAGE} == set()
