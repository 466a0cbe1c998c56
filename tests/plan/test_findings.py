"""What a plan notices comes the gravest first, each with its place."""

from __future__ import annotations

from pathlib import Path

import pytest
from stagecraft_hookspecs.errors import ConfigError

from stagecraft.config import find, read, resolve
from stagecraft.kernel import Kernel, scan
from stagecraft.loading import load_project
from stagecraft.plan.planner import make_plan


def noticed(folder: Path, compose: str, config: str = "project: {name: shop}\n") -> list[tuple[str, str, str]]:
    (folder / "docker-compose.yml").write_text(compose)
    (folder / "stagecraft.yml").write_text(config)
    kernel = Kernel(scan())
    resolved = resolve(read(find(folder, None, {}), {}), None, kernel.lookup, kernel.catalog.defaults)
    plan = make_plan(load_project(resolved, kernel, environ={})).plan
    plan_marks = {index: str(mark) for index, mark in plan.marks.items()}
    found = [(f.severity.value, f.code, plan_marks.get(index, "")) for index, f in enumerate(plan.findings)]
    if any(severity == "error" for severity, _, _ in found):
        with pytest.raises(ConfigError):
            plan.refuse_errors()
    else:
        plan.refuse_errors()
    return found


def test_what_the_compose_model_warns_of_is_a_finding(tmp_path: Path) -> None:
    compose = 'version: "3"\nservices:\n  a: {image: "x:1", environment: {A: "$NOPE"}, healthcheck: {test: [CMD, t]}}\n'
    assert noticed(tmp_path, compose) == [
        ("warning", "compose", "docker-compose.yml:1:1"),
        ("warning", "compose", "docker-compose.yml:3:38"),
    ]


def test_errors_come_first_and_refuse_the_plan(tmp_path: Path) -> None:
    config = "project: {name: shop}\ndatabases: {main: {service: pg}}\n"
    found = noticed(tmp_path, "services: {a: {image: 'x:$NOPE', healthcheck: {test: [CMD, t]}}}\n", config)
    assert found[0] == ("error", "unknown-database-service", "")
    assert {severity for severity, _, _ in found[1:]} == {"warning"}
