"""The command line: commands described as values, parsed and dispatched by Invoke."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from invoke import Collection


def collection() -> Collection:
    """Return Stagecraft's commands as an Invoke collection, for a project's own ``tasks.py``::

    from invoke import Collection
    from stagecraft.cli import collection

    namespace = Collection()
    namespace.add_collection(collection(), "stagecraft")
    """
    from stagecraft.cli.program import build_collection
    from stagecraft.cli.registry import builtin_commands

    return build_collection(builtin_commands())
