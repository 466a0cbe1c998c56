"""The plan as a value that can be printed, saved and compared."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import attrs
from stagecraft_hookspecs.errors import ConfigError, Mark, Problem, UserError
from stagecraft_hookspecs.values import Finding, Operation, Phase, Severity

SCHEMA = 1


@attrs.frozen
class ServicePlan:
    """Say how one service will be deployed. ``environment`` holds names only, never values; ``routes`` what a proxy sends it."""

    name: str
    role: str
    hosts: tuple[str, ...]
    replicas: int
    image: str
    built: bool
    order: str
    reason: str
    environment: tuple[str, ...] = ()
    routes: tuple[str, ...] = ()


@attrs.frozen
class Plan:
    """Hold everything that a deploy will do, in order.

    Attributes:
        selected: Services chosen with ``--services``; empty means all.
        inputs: Project file to ``sha256:…``, for those that are no secret: what a saved plan is checked against.
        proxy: Name of the environment's proxy; empty without one.
    """

    project: str
    environment: str
    version: str
    runtime: str
    hosts: tuple[str, ...]
    services: tuple[ServicePlan, ...]
    operations: tuple[Operation, ...]
    findings: tuple[Finding, ...] = ()
    marks: Mapping[int, Mark] = attrs.field(factory=dict, eq=False)
    selected: tuple[str, ...] = ()
    inputs: Mapping[str, str] = attrs.field(factory=dict)
    proxy: str = ""

    def of(self, phase: Phase) -> tuple[Operation, ...]:
        """Return a phase's operations in the plan's order."""
        return tuple(o for o in self.operations if o.phase is phase)

    def refuse_errors(self) -> None:
        """Raise ConfigError with every finding that is an error."""
        faults = [
            Problem(f.message, f.hint, self.marks.get(i))
            for i, f in enumerate(self.findings)
            if f.severity is Severity.ERROR
        ]
        if faults:
            raise ConfigError(faults)

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as JSON-like data; the same plan gives the same bytes."""
        return {
            "schema": SCHEMA,
            "project": self.project,
            "environment": self.environment,
            "version": self.version,
            "runtime": self.runtime,
            "proxy": self.proxy,
            "hosts": list(self.hosts),
            "selected": list(self.selected),
            "services": [attrs.asdict(s) for s in self.services],
            "phases": {p.value: [o.id for o in self.of(p)] for p in Phase},
            "operations": [
                {**attrs.asdict(o), "phase": o.phase.value, "inputs": dict(o.inputs)} for o in self.operations
            ],
            "findings": [
                {**attrs.asdict(f), "severity": f.severity.value, "where": str(self.marks.get(i, ""))}
                for i, f in enumerate(self.findings)
            ],
            "inputs": dict(sorted(self.inputs.items())),
        }

    def to_json(self) -> str:
        """Return the plan as a JSON document."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False, default=list) + "\n"


def saved(text: str, name: str) -> dict[str, Any]:
    """Read a plan that ``plan -o`` wrote; raises UserError for anything else."""
    try:
        document = json.loads(text)
    except ValueError as error:
        raise UserError(f"{name} is no saved plan: {error}", hint="write one with `stagecraft plan -o FILE`") from None
    if not _is_plan(document):
        raise UserError(
            f"{name} is no plan of this version (schema {SCHEMA})", hint="write one with `stagecraft plan -o FILE`"
        )
    found: dict[str, Any] = document
    return found


def _is_plan(document: Any) -> bool:
    """Tell whether a document has the parts that are compared, each of its type."""
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        return False
    lists = [document.get(key) for key in ("operations", "services", "selected")]
    return (
        isinstance(document.get("version"), str)
        and isinstance(document.get("inputs"), dict)
        and all(isinstance(found, list) for found in lists)
        and all(isinstance(item, dict) for found in lists[:2] for item in found or ())
        and all(isinstance(name, str) for name in document["selected"])
    )


def moved(before: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[str, ...]:
    """Name what differs between a saved plan and one made now, one line each, sorted; nothing when they are equal."""
    lines = []
    for key in ("project", "environment", "version", "runtime", "proxy", "hosts", "selected"):
        was, current = before.get(key, ""), now.get(key, "")
        if was != current:
            lines.append(f"{key}: was {was}, is {current}")
    for path in sorted({*before.get("inputs", {}), *now["inputs"]}):
        was, current = before.get("inputs", {}).get(path), now["inputs"].get(path)
        if was != current:
            lines.append(f"{path}: " + ("is new" if was is None else "is gone" if current is None else "changed"))
    for key, label in (("operations", "operation"), ("services", "service")):
        old = {item.get("id") or item.get("name"): item for item in before.get(key, [])}
        new = {item.get("id") or item.get("name"): item for item in json.loads(json.dumps(now[key], default=list))}
        for name in sorted({*old, *new}):
            if old.get(name) != new.get(name):
                what = "is new" if name not in old else "is gone" if name not in new else "changed"
                lines.append(f"{label} {name}: {what}")
    return tuple(lines)
