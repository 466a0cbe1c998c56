"""Processes that need each other, and such that need not stay."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from stagecraft_hookspecs.errors import ProviderError, TimedOut
from stagecraft_hookspecs.values import Command, Process, Ready

from stagecraft.dev.run import run_stack
from stagecraft.dev.topology import Part, Topology, ordered
from stagecraft.output.sink import Sink
from tests.dev.stack import left


def part(name: str, code: str, **more: Any) -> Part:
    return Part("backend", "", Process(name, Command((sys.executable, "-u", "-c", code)), **more))


def run(root: Path, *parts: Part) -> tuple[int, list[str]]:
    """Run a stack to its end; return its exit code and its log without the lines that say how a process starts."""
    out = io.StringIO()
    topology = Topology("shop", ordered(parts))
    code = run_stack(topology, root, {}, dict(os.environ), Sink(out, out, color=False))
    return code, [line for line in out.getvalue().splitlines() if "starting" not in line]


def test_when_none_is_required_and_all_have_ended_it_ends_with_0(tmp_path: Path) -> None:
    code, lines = run(tmp_path, part("one", "print('done')", required=False), part("two", "1/0", required=False))
    assert code == 0
    assert "one        | done" in lines
    assert "stagecraft | one exited with code 0" in lines and "stagecraft | two exited with code 1" in lines
    assert lines[-1] == "stagecraft | every process has ended"


def test_one_starts_when_those_it_depends_on_are_ready(tmp_path: Path) -> None:
    slow = "import time; time.sleep(0.7); print('rea' 'dy'); open('is-ready', 'w'); time.sleep(600)"
    check = "import os, sys; sys.exit(5 if os.path.exists('is-ready') else 6)"
    with pytest.raises(ProviderError, match="web exited with code 5"):
        run(tmp_path, part("web", check, depends_on=("api",)), part("api", slow, ready=Ready(line="^ready$")))
    assert left(tmp_path) == []


def test_one_that_has_done_its_work_lets_those_start_that_depend_on_it(tmp_path: Path) -> None:
    generate = "import time; time.sleep(0.3); open('generated', 'w')"
    check = "import os, sys; sys.exit(5 if os.path.exists('generated') else 6)"
    once = part("generate", generate, required=False, ready=Ready(line="never"))
    with pytest.raises(ProviderError, match="web exited with code 5"):
        run(tmp_path, once, part("web", check, depends_on=("generate",)))


def test_one_that_fails_at_its_work_is_named_with_those_that_cannot_start(tmp_path: Path) -> None:
    once = part("generate", "import sys; sys.exit('no schema')", required=False, ready=Ready(line="never"))
    with pytest.raises(ProviderError, match="generate exited with code 1, and web cannot start without it") as failed:
        run(tmp_path, once, part("web", "open('ran', 'w')", depends_on=("generate",)))
    assert failed.value.detail == "no schema"
    assert not (tmp_path / "ran").exists()


def test_one_that_is_late_ends_all(tmp_path: Path) -> None:
    sleep = "import time; time.sleep(600)"
    with pytest.raises(TimedOut, match="api did not become ready") as failed:
        run(tmp_path, part("api", sleep, ready=Ready(line="up", timeout=0.3)), part("web", sleep))
    assert failed.value.message.endswith(": when a line matches 'up', within 0.3 s")
    assert failed.value.exit_code == 2 and failed.value.hint
    assert left(tmp_path) == []


def test_logs_that_cannot_be_kept_are_told_once_each_and_stop_nothing(tmp_path: Path) -> None:
    (tmp_path / ".stagecraft/dev").mkdir(parents=True)
    (tmp_path / ".stagecraft/dev/logs").write_text("")
    code, lines = run(tmp_path, part("one", "print(1); print(2)", required=False))
    assert code == 0
    assert "one        | 1" in lines and "one        | 2" in lines
    assert sum("cannot keep the log one.log" in line for line in lines) == 1


def test_the_last_line_counts_also_without_its_end(tmp_path: Path) -> None:
    _, lines = run(tmp_path, part("one", "import sys; sys.stdout.write('a\\nb')", required=False))
    assert [line for line in lines if line.startswith("one ")] == ["one        | a", "one        | b"]
