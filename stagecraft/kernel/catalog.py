"""What is installed, known by name without importing any of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import attrs

from stagecraft.kernel.installed import entries

GROUP = "stagecraft"
DEFAULT_GROUP = "stagecraft.default"


@attrs.frozen(order=True)
class Plugin:
    """Know a plugin by its entry point.

    Attributes:
        name: The entry point's name, which is the name of a provider in it.
        value: What it points to, not loaded: ``package.module`` or ``package.module:attribute``.
        folder: Where the metadata of its distribution lies.
    """

    name: str
    value: str
    folder: str = attrs.field(eq=False, repr=False)

    @property
    def module(self) -> str:
        """Return the module's name."""
        return self.value.partition(":")[0].strip()

    @property
    def distribution(self) -> str:
        """Return the distribution's name."""
        return self._metadata("Name") or "unknown"

    @property
    def version(self) -> str:
        """Return the distribution's version."""
        return self._metadata("Version")

    def load(self) -> object:
        """Import and return what the entry point names; whatever importing raises is passed on."""
        import importlib

        found: object = importlib.import_module(self.module)
        for attribute in filter(None, self.value.partition(":")[2].strip().split(".")):
            found = getattr(found, attribute)
        return found

    def _metadata(self, key: str) -> str:
        from importlib import metadata

        return str(metadata.Distribution.at(self.folder).metadata[key] or "")


@attrs.frozen
class Catalog:
    """Hold what the scan found.

    Attributes:
        plugins: Name to plugin, sorted by name.
        clashes: Name to the distributions that all claim it; such a name is not in ``plugins``.
        defaults: Kind to the name of its provider where the configuration names none.
        default_clashes: Kind to the names that all claim to be its default.
    """

    plugins: Mapping[str, Plugin] = attrs.field(factory=dict)
    clashes: Mapping[str, tuple[str, ...]] = attrs.field(factory=dict)
    defaults: Mapping[str, str] = attrs.field(factory=dict)
    default_clashes: Mapping[str, tuple[str, ...]] = attrs.field(factory=dict)


def scan(only: Iterable[str] | None = None) -> Catalog:
    """Look through the installed distributions once, importing none.

    Args:
        only: Names of the plugins to know of; None means all. This is ``STAGECRAFT_PLUGINS``.
    """
    wanted = None if only is None else frozenset(only)
    all_entries = entries(GROUP)
    found: dict[str, list[Plugin]] = {}
    for entry in all_entries:
        if entry.group == GROUP and (wanted is None or entry.name in wanted):
            found.setdefault(entry.name, []).append(Plugin(entry.name, entry.value, entry.folder))
    plugins, clashes = {}, {}
    for name, claims in sorted(found.items()):
        # one distribution seen twice (two entries of sys.path) is no clash
        owners = tuple(sorted({c.distribution for c in claims})) if len(claims) > 1 else ()
        if len(owners) > 1:
            clashes[name] = owners
        else:
            plugins[name] = claims[0]
    claimed: dict[str, set[str]] = {}
    for entry in all_entries:
        # a default that two distributions claim stays one: whoever needs it learns of the clash, not that there is none
        if entry.group == DEFAULT_GROUP and (entry.value in plugins or entry.value in clashes):
            claimed.setdefault(entry.name, set()).add(entry.value)
    return Catalog(
        plugins,
        clashes,
        {kind: next(iter(names)) for kind, names in sorted(claimed.items()) if len(names) == 1},
        {kind: tuple(sorted(names)) for kind, names in sorted(claimed.items()) if len(names) > 1},
    )
