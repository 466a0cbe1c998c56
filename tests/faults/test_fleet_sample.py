"""A sample of the fault matrix over hosts, and proof that its judge sees what is wrong.

In full: `python3 tasks.py faults --only fleet`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.fleet import cases, verdict
from tests.faults.fleet.outcome import Outcome
from tests.faults.fleet.run import renew, run
from tests.faults.fleet.site import Site
from tests.faults.fleet.table import of
from tests.testbed import images
from tests.testbed.fixtures import TestHost, hosts  # noqa: F401

on_hosts = [pytest.mark.needs("docker"), pytest.mark.needs("hosts"), pytest.mark.timeout(600)]
SAMPLE = (
    "deploy/prepare:3/middle/sessions-killed",
    "deploy/retire:1/middle/client-killed",
    "deploy/switch:1/end/client-killed",
    "deploy/preflight:1/begin/second-deployer",
    "rollback/switch:2/middle/client-interrupted",
    "broken/prepare:3/end/none",
)


def test_the_matrix_has_every_case_once_and_brings_every_fault_to_every_step() -> None:
    whole = cases.matrix()
    assert len({case.id for case in whole}) == len(whole) >= 200
    assert cases.matrix() == whole
    met = {(case.fault, case.step) for case in whole if case.command == "deploy"}
    for fault in (*cases.LINK, *cases.ENGINE, *cases.PARTS, "client-killed", "client-interrupted"):
        assert {step for name, step in met if name == fault} == set(cases.STEPS)
    killed = [case for case in whole if case.command == "deploy" and case.fault == "client-killed"]
    assert {(case.step, case.moment) for case in killed if case.step != "connect"} == {
        (step, moment) for step in cases.STEPS[1:] for moment in cases.MOMENTS
    }
    assert len(cases.choose(every=10)) == -(-len(whole) // 10)
    assert [case.id for case in cases.choose(SAMPLE[0])] == [SAMPLE[0]]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("hint: mend what is named above, then run `stagecraft deploy --abort`", ("deploy", "--abort")),
        (
            "warning: rel-1 did not end; `stagecraft deploy -e prod --abort` undoes it, `--resume` …",
            ("deploy", "--abort"),
        ),
        ("see `stagecraft logs`; `stagecraft deploy --resume` finishes it", ("deploy", "--resume")),
        ("hint: run the command again", ("rollback",)),
        ("hint: see `stagecraft logs`", ()),
        ("hint: start the engine", ()),
    ],
)
def test_the_next_command_is_read_from_what_was_said(said: str, expected: tuple[str, ...]) -> None:
    assert verdict.next_command(said, ("rollback",)) == expected


def test_the_table_counts_by_fault_and_step() -> None:
    outcomes = [
        Outcome("deploy/switch:1/end/cut", "old", seconds=2.0),
        Outcome("rollback/switch:2/end/cut", "report", seconds=4.0),
        Outcome("deploy/build:1/end/kill", "failed"),
    ]
    assert of(outcomes, 9).splitlines() == [
        "| fault | build | switch | cases | failed |",
        "|---|---|---|---|---|",
        "| cut |  | 1o 1r | 2 | 0 |",
        "| kill | 1F |  | 1 | 1 |",
        "| all | 1F | 1o 1r | 3 | 1 |",
        "",
        "3 of 9 cases: 1 old, 0 new, 1 report, 1 failed; until one release served everywhere 4 s (median), 4 s (longest)",
    ]


@pytest.fixture(scope="module")
def site(hosts: tuple[TestHost, ...], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:  # noqa: F811
    folder: Path = tmp_path_factory.mktemp("faults")
    images.ensure("app:1")
    for host in hosts:
        images.put(host, "app:1", "haproxy:3.0")
    made = Site(folder / "project", hosts, name="sample")
    for path in (made.folder, made.temporary):
        path.mkdir()
    yield made
    made.forget()


@pytest.mark.parametrize("case", [pytest.param(c, id=c.id, marks=on_hosts) for i in SAMPLE for c in cases.choose(i)])
def test_it_ends_in_an_allowed_state(case: cases.Case, site: Site) -> None:
    number = 2 * SAMPLE.index(case.id) + 2
    if not site.served:
        renew(site, f"v{number - 1}")
    outcome = run(case, site, number)
    if outcome.verdict == "failed":
        site.served.clear()  # the next one begins anew
    assert outcome.verdict in ("old", "new", "report"), f"{outcome.why}\n" + "\n".join(outcome.output)


@pytest.mark.needs("docker")
@pytest.mark.needs("hosts")
@pytest.mark.timeout(600)
def test_the_judge_sees_a_mixed_fleet_and_what_is_left_behind(site: Site) -> None:
    if not site.served:
        renew(site, "v1")
    serves, first = site.served[-1], site.hosts[0]
    assert verdict.serves(site, serves, "other") == (serves, "")
    assert verdict.leftovers(site, []) == []
    worker = first.docker("ps", "-q", "--filter", "name=sample-prod-worker").split()[0]
    first.docker("stop", "-t", "0", worker)
    first.docker("network", "create", "stray")
    first.sh("mkdir -p /tmp/stray")
    found = verdict.serves(site, serves, patience=0)
    assert found[0] is None and f'{first.name}: {{"http": "{serves}"' in found[1]
    assert {f"{first.name}: network stray", f"{first.name}: temporary file stray"} <= set(verdict._leftovers(site, []))
    first.docker("start", worker)
    first.docker("network", "rm", "stray")
    first.sh("rmdir /tmp/stray")
    assert verdict.serves(site, serves)[0] == serves
