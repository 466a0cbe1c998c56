"""Print a plan for people, and as a Mermaid graph."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from stagecraft_hookspecs.values import Phase

from stagecraft.plan.model import Plan

Style = Callable[[str, str], str]


def _plain(text: str, code: str) -> str:
    return text


def as_text(plan: Plan, style: Style = _plain) -> str:
    """Return the plan as text: services, operations by phase, findings, a closing line."""
    lines = [style(f"Plan: {plan.project} to {plan.environment}, version {plan.version}, runtime {plan.runtime}", "1")]
    if plan.services:
        lines += ["", style("services", "1;36"), *_services(plan)]
    width = max((len(o.id) for o in plan.operations), default=0) + 2
    for phase in Phase:
        operations = plan.of(phase)
        if operations:
            lines += ["", style(phase.value, "1;36")]
            lines += [f"  {o.id:<{width}}{o.description}" for o in operations]
    lines += _findings(plan, style)
    skipped = [p.value for p in Phase if not plan.of(p)]
    lines += ["", _closing(plan, skipped)]
    return "\n".join(lines)


def as_mermaid(plan: Plan) -> str:
    """Return the plan as a Mermaid flowchart: a box per phase, an arrow per dependency."""
    lines = ["flowchart TD"]
    names = {o.id: f"o{index}" for index, o in enumerate(plan.operations)}
    former = ""
    for phase in Phase:
        operations = plan.of(phase)
        if not operations:
            continue
        lines.append(f"  subgraph {phase.value}")
        lines += [f'    {names[o.id]}["{_escaped(o.id)}"]' for o in operations]
        lines.append("  end")
        lines += [f"  {names[needed]} --> {names[o.id]}" for o in operations for needed in o.depends_on]
        if former:
            lines.append(f"  {former} --> {phase.value}")
        former = phase.value
    return "\n".join(lines)


def _services(plan: Plan) -> Iterator[str]:
    width = max(len(s.name) for s in plan.services) + 2
    for service in plan.services:
        where = ", ".join(service.hosts)
        count = f"{service.replicas} x " if service.replicas != 1 else ""
        how = f", {service.order}" if service.order else ""
        yield f"  {service.name:<{width}}{count}{service.image or 'from its folder'} on {where}{how}"
        if service.reason:
            yield f"  {'':<{width}}{service.reason}"
        for route in service.routes:
            yield f"  {'':<{width}}{route} by {plan.proxy}"


def _findings(plan: Plan, style: Style) -> list[str]:
    if not plan.findings:
        return []
    colors = {"error": "1;31", "warning": "33", "info": "2"}
    lines = ["", style("findings", "1;36")]
    for index, finding in enumerate(plan.findings):
        where = f"{plan.marks[index]}: " if index in plan.marks else ""
        lines.append(f"  {style(finding.severity.value, colors[finding.severity.value])}: {where}{finding.message}")
        if finding.hint:
            lines.append(f"    hint: {finding.hint}")
    return lines


def _closing(plan: Plan, skipped: list[str]) -> str:
    count, hosts = len(plan.operations), len(plan.hosts)
    text = f"{count} operation{'s' if count != 1 else ''} on {hosts} host{'s' if hosts != 1 else ''}"
    return text + (f"; nothing to do in {', '.join(skipped)}" if skipped else "")


def _escaped(text: str) -> str:
    return text.replace('"', "#quot;")
