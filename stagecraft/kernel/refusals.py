"""What the kernel says when it cannot give what was asked for."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import attrs
from stagecraft_hookspecs.errors import Mark, NotFound, PluginBroken, nearest


@attrs.frozen
class Broken:
    """Remember a plugin that could not be loaded, and why."""

    name: str
    distribution: str
    reason: str
    traceback: str = attrs.field(default="", repr=False)


def no_provider(
    kind: str, name: str, known: Collection[str], broken: Mapping[str, Broken], interpreter: str, where: Mark | None
) -> NotFound:
    """Return the error for an unknown provider: the nearest, what is installed, what could not be loaded."""
    # a name that is close to an installed one is a typing mistake, and a package of that name may be anybody's
    steps = [f"installed: {', '.join(known)}"] if known else []
    steps += [] if nearest(name, known) else [how_to_install(name, interpreter)]
    hint = "; ".join(steps)
    if broken:
        # the provider may well be in one of them
        names = ", ".join(f"{one.name} ({one.distribution})" for _, one in sorted(broken.items()))
        hint += f"; these cannot be loaded, see `stagecraft plugins list`: {names}"
    return NotFound(f"{kind} provider", name, known, hint=hint, where=where)


def cannot_load(broken: Broken, interpreter: str) -> PluginBroken:
    """Return the error for a plugin that is needed and broken."""
    return PluginBroken(
        f"plugin {broken.name!r} ({broken.distribution}) cannot be loaded: {broken.reason}",
        hint=f"see `stagecraft plugins list`; reinstall it: {interpreter} -m pip install --force-reinstall "
        f"{broken.distribution}",
        detail=broken.traceback,
    )


def how_to_install(name: str, interpreter: str) -> str:
    """Return the command that may bring a plugin."""
    return f"a package may bring it: {interpreter} -m pip install stagecraft-{name}"
