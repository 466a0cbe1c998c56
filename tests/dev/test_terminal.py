"""What `stagecraft dev` shows on a terminal, and what its keys do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.dev.stack import SLEEPER, generic, left, python, write_project
from tests.dev.terminal import terminal


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_project(tmp_path, backend=generic(python(SLEEPER)), frontend=generic(python(SLEEPER), "web"))


def test_each_process_has_a_colour_of_its_own(project: Path) -> None:
    with terminal(project) as shown:
        shown.until("asleep", 2)
        shown.type("\x03")
        assert shown.wait() == 130
    colors = {
        name: re.findall(rf"\x1b\[(\d+)m{name} +\|\x1b\[0m asleep", shown.shown) for name in ("backend", "frontend")
    }
    assert all(len(found) == 1 for found in colors.values()), shown.shown
    assert colors["backend"] != colors["frontend"]
    assert left(project) == []


@pytest.mark.parametrize("env", [{}, {"NO_COLOR": "1"}], ids=["flag", "variable"])
def test_colours_can_be_had_off(tmp_path: Path, env: dict[str, str]) -> None:
    write_project(tmp_path, backend=generic(python(r"print('\x1b[31mred\x1b[0m'); import time; time.sleep(600)")))
    with terminal(tmp_path, *([] if env else ["--no-color"]), **env) as shown:
        shown.until("| red")
        shown.type("\x03")
        assert shown.wait() == 130
    assert "\x1b" not in shown.shown


def test_r_restarts_all_and_r_name_one(project: Path) -> None:
    with terminal(project) as shown:
        shown.until("asleep", 2)
        shown.until("all ready")
        shown.type("r frontend\n")
        shown.until("restarting frontend: as asked")
        shown.until("asleep", 3)
        shown.until("all ready", 2)
        shown.type("r\n")
        shown.until("restarting backend, frontend: as asked")
        shown.until("asleep", 5)
        pids = re.findall(r"asleep as (\d+)", shown.shown)
        assert len(set(pids)) == 5
        shown.type("\x03")
        assert shown.wait() == 130
    assert left(project) == []


def test_anything_else_tells_what_there_is(project: Path) -> None:
    with terminal(project) as shown:
        shown.until("asleep", 2)
        shown.type("quit\nr nobody\n\n")
        shown.until("`r` restarts all, `r NAME` one of backend, frontend; Ctrl-C ends the stack", 2)
        shown.type("\x03")
        assert shown.wait() == 130


def test_a_second_ctrl_c_kills(tmp_path: Path) -> None:
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf'); time.sleep(600)"
    write_project(tmp_path, backend=generic(python(deaf)))
    with terminal(tmp_path) as shown:
        shown.until("deaf\n")
        shown.type("\x03")
        shown.until("stopping backend")
        shown.type("\x03")
        assert shown.wait(4) == 130
    assert "killing what still runs" in shown.shown
    assert left(tmp_path) == []


def test_a_terminal_that_is_closed_ends_it(project: Path) -> None:
    with terminal(project) as shown:
        shown.until("asleep", 2)
        shown.close()
        assert shown.wait() == 130
    assert left(project) == []


def test_a_terminal_that_changes_its_size_changes_nothing(project: Path) -> None:
    with terminal(project) as shown:
        shown.until("asleep", 2)
        shown.resize(5, 20)
        shown.type("r backend\n")
        shown.until("asleep", 3)
        shown.type("\x03")
        assert shown.wait() == 130


def test_ctrl_d_does_not_end_it(project: Path) -> None:
    with terminal(project) as shown:
        shown.until("all ready")
        shown.until("asleep", 2)
        shown.type("\x04")
        shown.read(0.5)
        shown.type("\x03")
        assert shown.wait() == 130
    assert "stopped: interrupted by SIGINT" in shown.shown
