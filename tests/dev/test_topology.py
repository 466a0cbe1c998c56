"""What a development session consists of, computed from the project's files alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stagecraft_hookspecs.errors import NotFound, UserError
from stagecraft_hookspecs.values import Command, Process, Ready

from stagecraft.config import find, read, resolve_base
from stagecraft.dev import topology as subject
from stagecraft.dev.show import as_document, as_text
from stagecraft.dev.topology import Part, Topology, compute, ordered, select
from stagecraft.kernel import Kernel, scan
from stagecraft.loading import load_project
from tests.dev.stack import generic, run, write_project

API = {"command": ["api", "--serve"], "workdir": "./api", "env": {"PORT": "4000"}, "watch": ["api/**/*.py"]}
WEB = {"command": ["web"], "url": "http://localhost:5173/"}


def topology_of(root: Path, *wanted: str) -> Topology:
    kernel = Kernel(scan(None))
    config = resolve_base(read(find(root, None, {}), {}), "dev", kernel.lookup, kernel.catalog.defaults)
    return compute(load_project(config, kernel, environ={}), wanted)


def part(name: str, *needs: str, kind: str = "backend", **more: Any) -> Part:
    return Part(kind, "", Process(name, Command(("run", name)), depends_on=needs, **more))


def test_backend_comes_before_frontend_and_each_stands_in_for_its_service(tmp_path: Path) -> None:
    write_project(tmp_path, backend=generic(API), frontend=generic(WEB, "web"))
    found = topology_of(tmp_path)
    assert [(p.name, p.kind, p.service) for p in found.parts] == [
        ("backend", "backend", "api"),
        ("frontend", "frontend", "web"),
    ]
    assert found.absent == ("postgres",)
    assert found == topology_of(tmp_path)


@pytest.mark.parametrize("wanted", ["backend", "api"])
def test_services_are_picked_by_process_or_by_service(tmp_path: Path, wanted: str) -> None:
    write_project(tmp_path, backend=generic(API), frontend=generic(WEB, "web"))
    assert [p.name for p in topology_of(tmp_path, wanted).parts] == ["backend"]


def test_an_unknown_service_is_named_with_what_it_could_be(tmp_path: Path) -> None:
    write_project(tmp_path, backend=generic(API), frontend=generic(WEB, "web"))
    with pytest.raises(NotFound, match="did you mean 'frontend'"):
        topology_of(tmp_path, "frontnd")


def test_what_was_not_wanted_is_not_waited_for() -> None:
    assert select([part("a"), part("b", "a")], ["b"]) == (part("b"),)


def test_without_a_development_command_it_says_where_to_put_one(tmp_path: Path) -> None:
    write_project(tmp_path, backend=generic(None), frontend=generic(None, "web"))
    with pytest.raises(UserError) as failed:
        topology_of(tmp_path)
    assert failed.value.message == "neither backend 'generic' nor frontend 'generic' has a development command"
    assert "add one to stagecraft.yml" in failed.value.hint


@given(st.permutations(range(8)), st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=12))
def test_each_comes_after_those_it_depends_on(order: list[int], edges: list[tuple[int, int]]) -> None:
    needs = {n: sorted({f"p{min(e)}" for e in edges if max(e) == n and min(e) != n}) for n in range(8)}
    found = [p.name for p in ordered([part(f"p{n}", *needs[n]) for n in order])]
    assert sorted(found) == [f"p{n}" for n in range(8)]
    assert all(found.index(before) < found.index(f"p{n}") for n in needs for before in needs[n])


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ([part("a", "b")], "a depends on the process 'b', which there is not"),
        ([part("a", "b"), part("b", "a")], "depend on each other in a circle"),
        ([part("a"), part("a", kind="frontend")], "backend and frontend both have a process 'a'"),
        ([part("a/../b")], "has no usable name"),
        ([part("a", ready=Ready(line="("))], "no regular expression"),
        ([part("a", watch=("../b/*",))], "leaves the project"),
        ([part("a", watch=("[z-a]",))], "no glob"),
        ([part("a", ready=Ready(80)), part("b", ready=Ready(url="http://localhost/"))], "a and b both want port 80"),
    ],
)
def test_processes_that_do_not_fit_together_are_refused(parts: list[Part], said: str) -> None:
    with pytest.raises(UserError, match=said) as failed:
        subject._check(parts)
    assert failed.value.hint


def test_it_prints_the_names_of_variables_and_no_value(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("TOKEN=s3cret-s3cret\n")
    dev = {**API, "env": {"PORT": "4000", "KEY": "k3y-k3y-k3y"}}
    write_project(tmp_path, backend=generic(dev), env_file=".env")
    found = topology_of(tmp_path)
    text = as_text(found, {"TOKEN": "s3cret-s3cret"}, lambda words, code: words)
    document = json.dumps(as_document(found, {"TOKEN": "s3cret-s3cret"}))
    assert "KEY, PORT" in text and "TOKEN" in text
    assert not any(value in text + document for value in ("s3cret", "k3y"))


@pytest.mark.parametrize("words", [(), ("--json",)])
def test_a_dry_run_is_the_same_every_time_and_writes_nothing(tmp_path: Path, words: tuple[str, ...]) -> None:
    (tmp_path / ".env").write_text("B_TOKEN=s3cret-s3cret\nA=1\n")
    write_project(tmp_path, backend=generic(API), frontend=generic(WEB, "web"), env_file=".env")
    first = run(tmp_path, "--dry-run", *words, PYTHONHASHSEED="1")
    second = run(tmp_path, "--dry-run", *words, PYTHONHASHSEED="2")
    assert first.returncode == 0, first.stderr
    assert first.stdout == second.stdout
    assert "s3cret" not in first.stdout
    assert not (tmp_path / ".stagecraft").exists()


def test_a_dry_run_as_text_reads_like_this(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("TOKEN=s3cret-s3cret\n")
    write_project(tmp_path, backend=generic(API), frontend=generic(WEB, "web"), env_file=".env")
    assert (
        run(tmp_path, "--dry-run").stdout
        == """\
Development stack of shop

1. backend  backend, stands in for the service api
   command     api --serve
   folder      ./api
   env         PORT
   env file    TOKEN
   ready       when port 4000 accepts, within 60 s
   restart on  api/**/*.py
   its exit    ends the stack

2. frontend  frontend, stands in for the service web
   command   web
   folder    .
   env file  TOKEN
   ready     when http://localhost:5173/ answers below 500, within 60 s
   its exit  ends the stack

not started by dev: postgres
"""
    )


def test_an_environment_is_refused_since_dev_is_outside_of_any(tmp_path: Path) -> None:
    write_project(tmp_path, backend=generic(API), environments={"prod": {"runtime": "process"}})
    refused = run(tmp_path, "-e", "prod", "--dry-run")
    assert refused.returncode == 1
    assert "outside of any environment" in refused.stderr and "hint:" in refused.stderr
    assert run(tmp_path, "--dry-run", STAGECRAFT_ENV="prod").returncode == 0
