"""Make the plan: a pure function of the project's files, the environment's name, the version and the selection."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import attrs
from stagecraft_hookspecs.errors import Mark, NotFound, PluginFault, StagecraftError, UserError
from stagecraft_hookspecs.runtime import Deployment, Draft
from stagecraft_hookspecs.values import Finding, Operation, Phase, Severity

from stagecraft.plan.deployment import make_deployment
from stagecraft.plan.model import Plan, ServicePlan
from stagecraft.plan.operations import base_operations, show_route

if TYPE_CHECKING:
    from stagecraft.project import Project

#: Characters of the longest version, since it stands in every list.
VERSION_LENGTH = 128
_ORDER = {phase: index for index, phase in enumerate(Phase)}
_GRADE = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.INFO: 2}


@attrs.frozen
class Planned:
    """Hold a plan with the deployment and the draft that it was made from."""

    plan: Plan
    deployment: Deployment
    draft: Draft


def make_plan(project: Project, version: str = "unknown", services: Sequence[str] = ()) -> Planned:
    """Plan a deploy of the project.

    Args:
        version: What the release will be called.
        services: Deploy only these; empty means all.

    Raises:
        ConfigError: With every fault that makes the plan impossible.
        UserError: The version holds what cannot be printed on one line.
        NotFound: A selected service does not exist.
        PluginFault: A plugin contributed something that is no plan.
    """
    if not version.isprintable() or len(version) > VERSION_LENGTH:
        raise UserError(
            f"the version {version[:40]!r} cannot be used",
            hint=f"at most {VERSION_LENGTH} characters, none of them a line break or another control character",
        )
    deployment = make_deployment(project)
    names = [s.name for s in deployment.services]
    for name in services:
        if name not in names:
            raise NotFound("service", name, names)
    draft = project.renderer().render(deployment)
    operations = check(
        [
            *base_operations(project, deployment, draft, frozenset(services or names)),
            *_contributed(project, deployment),
        ]
    )
    noted = _noted(project, draft, deployment)
    plan = Plan(
        project.config.project,
        project.config.environment,
        version,
        project.config.providers["runtime"].name,
        tuple(h.name for h in deployment.hosts),
        tuple(_service_plan(project, deployment, draft)),
        operations,
        tuple(finding for finding, _ in noted),
        {index: mark for index, (_, mark) in enumerate(noted) if mark is not None},
        tuple(sorted(services)),
        project.inputs(),
        project.config.providers["proxy"].name if project.has("proxy") else "",
    )
    return Planned(plan, deployment, draft)


def check(operations: Iterable[Operation]) -> tuple[Operation, ...]:
    """Return the operations by phase and dependency; raises PluginFault for double ids, loose ends and cycles."""
    by_id: dict[str, Operation] = {}
    for operation in operations:
        if operation.id in by_id:
            other = by_id[operation.id].provider
            raise PluginFault(f"operation {operation.id!r} is planned by both {other} and {operation.provider}")
        by_id[operation.id] = operation
    for operation in by_id.values():
        for needed in operation.depends_on:
            if needed not in by_id or by_id[needed].phase is not operation.phase:
                raise PluginFault(
                    f"operation {operation.id!r} ({operation.provider}) depends on {needed!r}, "
                    f"which is not planned in phase {operation.phase}"
                )
    return tuple(_sorted(by_id))


def _sorted(by_id: dict[str, Operation]) -> Iterable[Operation]:
    """Yield by phase, then each operation after those it depends on, otherwise by id."""
    from graphlib import CycleError, TopologicalSorter

    sorter = TopologicalSorter({o.id: o.depends_on for o in by_id.values()})
    try:
        sorter.prepare()
    except CycleError as error:
        raise PluginFault(f"operations depend on each other in a circle: {' -> '.join(error.args[1])}") from None
    level, rank = 0, {}
    while sorter.is_active():
        ready = sorter.get_ready()
        rank.update(dict.fromkeys(ready, level))
        sorter.done(*ready)
        level += 1
    return sorted(by_id.values(), key=lambda o: (_ORDER[o.phase], rank[o.id], o.id))


def _contributed(project: Project, deployment: Deployment) -> Iterable[Operation]:
    try:
        results = project.kernel.hook.stagecraft_plan(deployment=deployment)
    except StagecraftError:
        raise
    except (Exception, SystemExit) as error:
        raise project.kernel.blame(error) from error
    for result in results:
        for operation in result:
            if not isinstance(operation, Operation) or not isinstance(operation.phase, Phase):
                raise PluginFault(f"stagecraft_plan must return operations, not {operation!r}")
            yield operation


def _service_plan(project: Project, deployment: Deployment, draft: Draft) -> Iterable[ServicePlan]:
    for service in deployment.services:
        policy = draft.policies.get(service.name)
        yield ServicePlan(
            service.name,
            project.config.role_of(service.name),
            service.hosts,
            service.replicas,
            service.image.name if service.image else "",
            service.build is not None,
            policy.order.value if policy else "",
            policy.reason if policy else "",
            tuple(sorted(service.definition.get("environment") or {})),
            tuple(show_route(r) for r in service.routes),
        )


def _of_proxy(project: Project, deployment: Deployment) -> Iterable[Finding]:
    if not project.has("proxy"):
        return ()
    from stagecraft.plan.proxies import findings

    return findings(project, deployment)


def _noted(project: Project, draft: Draft, deployment: Deployment) -> list[tuple[Finding, Mark | None]]:
    """Return what the runtime, the kernel and the compose model noticed, the gravest first, each with its place."""
    all_of_them = (*draft.findings, *project.findings(), *_of_proxy(project, deployment))
    found = [(f, project.mark(*f.path) if f.path else None) for f in all_of_them]
    found += [
        (Finding("compose", Severity.WARNING, warning.message, warning.hint), warning.where)
        for warning in project.compose.warnings
    ]
    return sorted(found, key=lambda noted: (_GRADE[noted[0].severity], noted[0].code, noted[0].path, noted[0].message))
