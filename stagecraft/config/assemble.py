"""Put the configuration of one environment together: base and override merged, provider blocks in one form.

The result remembers for every part where it came from, so that messages name the place in the file. Mappings merge
deeply; lists and single values are replaced; a provider's block belongs to its provider, so that choosing another one
leaves it behind.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from stagecraft.config.faults import Fault, shown, unknown_keys
from stagecraft.config.fill import Unset

Path = tuple["str | int", ...]

#: Kinds whose provider has a block at the top level; engines of migrations are named under `databases`.
BLOCK_KINDS = ("backend", "frontend", "network", "cloud", "ci", "secrets", "runtime", "proxy", "state")

#: What an environment may say besides provider blocks.
OVERRIDES = ("compose", "databases", "env_file", "hosts", "profiles", "rollout", "services")

#: The environment that is this machine unless it names hosts of its own.
LOCAL_ENVIRONMENT = "local"


@attrs.frozen(eq=False)
class Tree:
    """The merged data of one environment.

    Attributes:
        data: Every key but `environments` and the provider blocks.
        chosen: Kind to the provider's name as written; kinds without one are absent.
        blocks: Kind to provider to its block.
        origins: Path in the tree to its path in the file, where they differ; the longest prefix counts.
        faults: What was wrong with the shape of it, at paths in the file.
    """

    data: Mapping[str, Any]
    chosen: Mapping[str, str]
    blocks: Mapping[str, Mapping[str, Any]]
    origins: Mapping[Path, Path]
    faults: tuple[Fault, ...]

    def origin(self, path: Path) -> Path:
        """Return the path in the file of a path in the tree."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.origins:
                return (*self.origins[path[:length]], *path[length:])
        return path

    def provider_names(self) -> frozenset[tuple[str, str]]:
        """Return `(kind, name)` of every provider chosen, migration engines included."""
        found = {(kind, str(name)) for kind, name in self.chosen.items() if not isinstance(name, Unset)}
        databases = self.data.get("databases")
        for database in databases.values() if isinstance(databases, dict) else ():
            migrations = database.get("migrations") if isinstance(database, dict) else None
            engine = migrations.get("engine") if isinstance(migrations, dict) else None
            if isinstance(engine, str) and not isinstance(engine, Unset):
                found.add(("migration", str(engine)))
        return frozenset(found)


def assemble(data: Mapping[str, Any], environment: str | None, defaults: Mapping[str, str] | None = None) -> Tree:
    """Merge an environment into the base; None, or one that is not there, gives the base alone."""
    work = _Work(dict(defaults or {}))
    base = {k: v for k, v in data.items() if k != "environments" and k not in BLOCK_KINDS}
    override, at = _override(data, environment, work)
    if environment == LOCAL_ENVIRONMENT and at:
        base.pop("hosts", None)
    for kind in BLOCK_KINDS:
        if kind in data:
            work.take(kind, data[kind], (kind,))
        if kind in override:
            work.take(kind, override[kind], (*at, kind))
    for key in OVERRIDES:
        if key in override:
            base[key] = work.merge(base.get(key), override[key], (key,), (*at, key))
    chosen = {kind: work.chosen[kind] for kind in BLOCK_KINDS if kind in work.chosen}
    return Tree(base, chosen, work.blocks, work.origins, tuple(work.faults))


def _override(data: Mapping[str, Any], environment: str | None, work: _Work) -> tuple[Mapping[str, Any], Path]:
    environments = data.get("environments", {})
    if not isinstance(environments, dict):
        work.wrong(("environments",), "a mapping", environments, "write `environments: {prod: {…}}`")
        return {}, ()
    if environment is None or environment not in environments:
        return {}, ()
    found, at = environments[environment], ("environments", environment)
    if found is None:
        return {}, at
    if not isinstance(found, dict):
        work.wrong(at, "a mapping", found, "an environment holds overrides: `prod: {runtime: …}`")
        return {}, at
    for fault in unknown_keys(found, [*OVERRIDES, *BLOCK_KINDS]):
        work.faults.append(attrs.evolve(fault, path=(*at, *fault.path)))
    return found, at


@attrs.define(eq=False, repr=False)
class _Work:
    defaults: dict[str, str]
    chosen: dict[str, str] = attrs.Factory(dict)
    blocks: dict[str, dict[str, Any]] = attrs.Factory(dict)
    origins: dict[Path, Path] = attrs.Factory(dict)
    faults: list[Fault] = attrs.Factory(list)

    def wrong(self, path: Path, expected: str, got: Any, hint: str) -> None:
        if not isinstance(got, Unset):
            self.faults.append(Fault(path, f"expected {expected}", shown(got), hint))
        else:
            self.faults.append(Fault(path, got.reason, "", got.hint))

    def merge(self, below: Any, above: Any, path: Path, above_path: Path) -> Any:
        """Return `above` over `below`, noting where each part of the result stands."""
        if not (isinstance(below, dict) and isinstance(above, dict)) or _other_engine(below, above):
            self.origins[path] = above_path
            return above
        merged = dict(below)
        for key, value in above.items():
            merged[key] = self.merge(below[key], value, (*path, key), (*above_path, key)) if key in below else value
            if key not in below:
                self.origins[(*path, key)] = (*above_path, key)
        return merged

    def take(self, kind: str, node: Any, path: Path) -> None:
        """Take a provider in any of its written forms: a name, a full block, or one of the short forms."""
        if isinstance(node, str):
            self.choose(kind, node, path)
        elif not isinstance(node, dict):
            hint = f"write `{kind}: NAME`, or `{kind}: {{provider: NAME}}`"
            self.wrong(path, "a provider's name or a mapping", node, hint)
        else:
            self.take_mapping(kind, node, path)

    def take_mapping(self, kind: str, node: dict[str, Any], path: Path) -> None:
        if "provider" in node:
            named = node["provider"]
            if not isinstance(named, str) or isinstance(named, Unset):
                hint = "write `provider: NAME`; `stagecraft plugins list` shows the names"
                self.wrong((*path, "provider"), "a provider's name", named, hint)
                return
            self.choose(kind, named, (*path, "provider"))
        name = self.chosen.get(kind, self.defaults.get(kind))
        rest = {k: v for k, v in node.items() if k != "provider"}
        if "providers" in rest:
            self.full(kind, rest, path)
        elif name is None:
            self.missing(path, "NAME")
        elif isinstance(rest.get(name), dict):
            self.choose(kind, name, (*path, "provider")) if kind not in self.chosen else None
            self.block(kind, str(name), rest.pop(name), (*path, str(name)))
            for key in rest:
                hint = f"move it into `{name}`, or write every block under `providers`"
                self.faults.append(Fault((*path, key), f"unknown key beside the block {str(name)!r}", "", hint, True))
        else:
            self.choose(kind, name, path) if kind not in self.chosen else None
            self.block(kind, str(name), rest, path)

    def full(self, kind: str, rest: dict[str, Any], path: Path) -> None:
        providers = rest.pop("providers")
        for key in rest:
            hint = "only `provider` and `providers` stand here; a provider's own keys go into its block"
            self.faults.append(Fault((*path, key), "unknown key", "", hint, True))
        if not isinstance(providers, dict):
            self.wrong((*path, "providers"), "a mapping", providers, "write `providers: {NAME: {…}}`")
            return
        for name, block in providers.items():
            self.block(kind, name, block, (*path, "providers", name))
        if kind not in self.chosen:
            if kind in self.defaults:
                self.chosen[kind] = self.defaults[kind]
            else:
                self.missing(path, next(iter(providers), "NAME"))

    def missing(self, path: Path, example: str) -> None:
        hint = f"add `provider: {example}`; `stagecraft plugins list` shows the names"
        self.faults.append(Fault((*path, "provider"), "is missing", "", hint))

    def choose(self, kind: str, name: str, path: Path) -> None:
        self.chosen[kind] = name
        self.origins[(kind, "provider")] = path

    def block(self, kind: str, name: str, block: Any, path: Path) -> None:
        at: Path = (kind, "providers", name)
        blocks = self.blocks.setdefault(kind, {})
        if name in blocks:
            blocks[name] = self.merge(blocks[name], block, at, path)
        else:
            self.origins[at] = path
            blocks[name] = block


def _other_engine(below: dict[str, Any], above: dict[str, Any]) -> bool:
    """Tell whether both are migrations and the upper one names another engine, whose keys the lower one's are not."""
    return "engine" in below and "engine" in above and below["engine"] != above["engine"]
