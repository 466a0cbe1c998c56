"""Choose the hosts and services that an operating command is about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import attrs
from stagecraft_hookspecs.errors import NotFound

if TYPE_CHECKING:
    from stagecraft_hookspecs.values import Host

    from stagecraft.project import Project


@attrs.frozen
class Selection:
    """Hold what was chosen.

    Attributes:
        hosts: Sorted by name; never empty.
        services: As they were named; empty means all.
    """

    hosts: tuple[Host, ...]
    services: tuple[str, ...] = ()

    def wants(self, service: str) -> bool:
        """Tell whether a service was chosen."""
        return not self.services or service in self.services

    @property
    def names(self) -> tuple[str, ...]:
        """Return the hosts' names."""
        return tuple(h.name for h in self.hosts)


def choose(
    project: Project,
    hosts: Sequence[str] = (),
    services: Sequence[str] = (),
    roles: Sequence[str] = (),
    *,
    serving: Sequence[Host] = (),
) -> Selection:
    """Return the hosts that are named or have one of the roles, all without either, and the services.

    Args:
        serving: The hosts of the release that serves. One that the configuration no longer names still runs it.

    Raises:
        NotFound: There is no such host, role or service.
    """
    config = project.config
    known = {h.name: h for h in (*serving, *config.hosts)}
    known_roles = config.roles or tuple(sorted({config.role_of(name) for name in project.services}))
    for what, names, all_of_them in (
        ("host", hosts, known),
        ("role", roles, known_roles),
        ("service", services, project.services),
    ):
        for name in names:
            if name not in all_of_them:
                raise NotFound(what, name, all_of_them)
    everywhere = not hosts and not roles
    chosen = tuple(
        host
        for name, host in sorted(known.items())
        if everywhere or name in hosts or (roles and (config.single_machine or set(host.roles) & set(roles)))
    )
    return Selection(chosen, tuple(services))
