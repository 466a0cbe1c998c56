"""What `bench` and `faults` print, write and end with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tools import figures
from tools.figures import Figure, NotMeasured, at_most, run_figures


def reached() -> list[Figure]:
    return [at_most("plan", 1.5, "s", 2)]


def missed() -> list[Figure]:
    return [at_most("plan of much", 2.5, "s", 2), Figure("kills", 200, "kills", ">= 200", True)]


def elsewhere() -> list[Figure]:
    raise NotMeasured("no engine answers")


@pytest.fixture(autouse=True)
def groups(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {name: f"{__name__}:{name}" for name in ("reached", "missed", "elsewhere")}
    monkeypatch.setattr(figures, "GROUPS", {"bench": names})
    monkeypatch.setattr(figures, "function_of", lambda reference: globals()[reference.rpartition(":")[2]])
    monkeypatch.delenv("STAGECRAFT_TESTBED", raising=False)


def test_a_table_and_a_file_hold_every_figure_with_its_goal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_figures("bench", str(tmp_path / "figures.json")) == 1
    shown = capsys.readouterr()
    assert shown.out == (
        "figure        value  unit   goal\n"
        "plan of much  2.5    s      <= 2    MISSED\n"
        "kills         200    kills  >= 200  met\n"
        "plan          1.5    s      <= 2    met\n"
    )
    assert "bench: elsewhere is not measured: no engine answers" in shown.err
    written = json.loads((tmp_path / "figures.json").read_text())
    assert written[2] == {"name": "plan", "value": 1.5, "unit": "s", "goal": "<= 2", "met": True}
    assert [figure["met"] for figure in written] == [False, True, True]


def test_the_exit_code_is_0_when_every_goal_is_reached() -> None:
    assert run_figures("bench", only="reached") == 0


def test_an_unknown_group_is_named_with_those_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_figures("bench", only="speed") == 1
    assert capsys.readouterr().err == (
        "error: bench has no group 'speed'\nhint: there are elsewhere, missed, reached\n"
    )
