"""Lints that concern every runtime: where configuration and compose file do not fit together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from stagecraft_hookspecs.values import Finding, Severity

if TYPE_CHECKING:
    from stagecraft.project import Project


def lint(project: Project) -> Iterator[Finding]:
    """Yield findings in no order."""
    for name, database in sorted(project.config.databases.items()):
        if database.service and database.service not in project.services:
            yield Finding(
                "unknown-database-service",
                Severity.ERROR,
                f"database {name!r} is the compose service {database.service!r}, which does not exist",
                f"its services: {', '.join(project.services)}",
            )
