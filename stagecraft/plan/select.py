"""Show only the part of a plan that happens on some hosts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import attrs
from stagecraft_hookspecs.errors import NotFound

from stagecraft.plan.model import Plan

if TYPE_CHECKING:
    from stagecraft.config import Config


def select(plan: Plan, config: Config, hosts: Sequence[str], roles: Sequence[str]) -> Plan:
    """Return the plan with the operations of these hosts and roles, and those that belong to no host.

    Raises:
        NotFound: There is no such host or role.
    """
    if not hosts and not roles:
        return plan
    names = [h.name for h in config.hosts]
    for host in hosts:
        if host not in names:
            raise NotFound("host", host, names)
    for role in roles:
        if role not in config.roles:
            raise NotFound("role", role, config.roles)
    wanted = {*hosts, *(h.name for h in config.hosts if set(h.roles) & set(roles))}
    kept = tuple(
        attrs.evolve(o, depends_on=tuple(d for d in o.depends_on if _on(plan, d, wanted)))
        for o in plan.operations
        if not o.hosts or wanted.intersection(o.hosts)
    )
    return attrs.evolve(
        plan,
        hosts=tuple(h for h in plan.hosts if h in wanted),
        operations=kept,
        services=tuple(s for s in plan.services if wanted.intersection(s.hosts)),
    )


def _on(plan: Plan, operation_id: str, wanted: set[str]) -> bool:
    operation = next(o for o in plan.operations if o.id == operation_id)
    return not operation.hosts or bool(wanted.intersection(operation.hosts))
