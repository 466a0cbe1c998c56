"""Derive every name in a new plugin's project from the one that the user gives."""

from __future__ import annotations

import re

import attrs
from stagecraft_hookspecs.errors import NotFound, Refused, UserError

from stagecraft.kernel.kinds import KINDS

PREFIX = "stagecraft-"
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*\Z")
_LONGEST = 40
#: Its distribution and package would be the contract's own.
_TAKEN = frozenset({"hookspecs"})


@attrs.frozen
class Names:
    """Hold the names of a plugin.

    Attributes:
        name: How users name the provider, and the entry point.
        kind: What it is.
        distribution, package: ``stagecraft-NAME`` and ``stagecraft_NAME``.
        cls, config, renderer, store: Names of its classes.
        suite: Name of the kind's contract suite.
    """

    name: str
    kind: str
    distribution: str
    package: str
    cls: str
    config: str
    renderer: str
    store: str
    suite: str


def names_of(name: str, kind: str) -> Names:
    """Return a plugin's names.

    Raises:
        UserError: The name cannot be one.
        Refused: The name is taken.
        NotFound: There is no such kind.
    """
    if kind not in KINDS:
        raise (
            NotFound("kind", kind, KINDS)
            if kind
            else UserError("say what the plugin provides", hint=f"--kind with one of: {', '.join(sorted(KINDS))}")
        )
    if not name:
        raise UserError("give the plugin a name", hint=f"stagecraft plugins new NAME --kind {kind}")
    if name.startswith(PREFIX):
        short = name.removeprefix(PREFIX)
        raise UserError(f"the name {name!r} begins with {PREFIX}, which is put before it", hint=f"call it {short!r}")
    if not _NAME.match(name) or len(name) > _LONGEST:
        raise UserError(
            f"{name[:60]!r} cannot be a plugin's name",
            hint=f"lower-case letters, digits and single dashes, a letter first, {_LONGEST} characters at most: my-{kind}",
        )
    if name in _TAKEN:
        raise Refused(f"the name {name!r} is taken by Stagecraft itself", hint="choose another")
    camel = "".join(part.capitalize() for part in name.split("-"))
    base = KINDS[kind][1]
    # migration's class is Engine, its suite is named for the kind
    suite = f"{'Migration' if kind == 'migration' else base}Contract"
    return Names(
        name,
        kind,
        PREFIX + name,
        (PREFIX + name).replace("-", "_"),
        camel + base,
        f"{camel}Config",
        f"{camel}Renderer",
        f"{camel}Store",
        suite,
    )
