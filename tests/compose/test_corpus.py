"""The compose model equals `docker compose config --format json`, and refuses what compose refuses."""

from __future__ import annotations

import json

import pytest
from stagecraft_hookspecs.errors import ConfigError

from tests.compose.cases import CORPUS, REFUSED, Case, cases


def name(case: Case) -> str:
    return case.folder.name


@pytest.mark.parametrize("case", cases(CORPUS), ids=name)
def test_a_project_reads_as_compose_prints_it(case: Case) -> None:
    expected = json.loads((case.folder / "expected.json").read_text())
    assert case.relative(case.load().to_dict()) == expected


@pytest.mark.parametrize("case", cases(REFUSED), ids=name)
def test_what_compose_refuses_is_refused_with_a_place_and_a_hint(case: Case) -> None:
    with pytest.raises(ConfigError) as caught:
        case.load()
    assert case.relative(str(caught.value)) == (case.folder / "expected.txt").read_text().rstrip("\n")
    assert all(problem.hint for problem in caught.value.problems)


def test_the_corpus_is_as_large_as_promised() -> None:
    assert len(cases(CORPUS)) >= 60
    assert len(cases(REFUSED)) >= 20


@pytest.mark.needs("docker")
@pytest.mark.parametrize("case", cases(CORPUS), ids=name)
def test_compose_still_prints_what_is_expected(case: Case) -> None:
    answer = case.ask_compose()
    assert answer.returncode == 0, answer.stderr
    assert case.relative(json.loads(answer.stdout)) == json.loads((case.folder / "expected.json").read_text())


@pytest.mark.needs("docker")
@pytest.mark.parametrize("case", cases(REFUSED), ids=name)
def test_compose_still_refuses_it(case: Case) -> None:
    assert case.ask_compose().returncode != 0
