"""Apply `extends`: put each service over the one that it names, from this file or from another."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path as FilePath
from typing import Any

import attrs
from stagecraft_hookspecs.errors import Problem

from stagecraft.compose.canonical import canonical
from stagecraft.compose.faults import Faults, Path
from stagecraft.compose.layers import Disk, Layer, local_file, take_away
from stagecraft.compose.merge import MergeError, merge, merge_service
from stagecraft.compose.paths import resolve_paths
from stagecraft.compose.schema import compose_file
from stagecraft.compose.unique import make_unique

MAX_CHAIN = 100


@attrs.frozen
class Origin:
    """The services that a name refers to, the file they are from, and what their layers take away."""

    file: FilePath
    services: dict[str, Any]
    resets: tuple[tuple[Path, ...], ...]
    broken: Mapping[str, list[Problem]] = attrs.Factory(dict)


@attrs.define
class Extender:
    """Apply `extends` within one layer; other files are read once."""

    disk: Disk
    folder: FilePath
    environ: Mapping[str, str]
    faults: Faults
    others: dict[FilePath, Origin] = attrs.Factory(dict)

    def apply(self, layer: Layer, file: FilePath) -> None:
        """Replace every service of `layer` that extends another by the merged one."""
        services = layer.tree.get("services")
        if not isinstance(services, dict):
            return
        origin = Origin(file, services, (layer.resets,))
        for name, service in services.items():
            if isinstance(service, dict) and "extends" in service:
                self._extend(name, origin, (), ("services", name))

    def _extend(self, name: str, origin: Origin, chain: tuple[tuple[FilePath, str], ...], path: Path) -> Any:
        """Return the service `name` of `origin` with its `extends` applied; `path` is where faults are shown."""
        service = origin.services[name]
        if not isinstance(service, dict) or "extends" not in service:
            return service
        found = self._reference(service["extends"], origin, (*path, "extends"))
        if found is None:
            service.pop("extends")
            return service
        reference, base_origin = found
        link = (origin.file, name)
        if link in chain or len(chain) > MAX_CHAIN:
            names = " -> ".join([*(step for _, step in chain), name])
            what = f"services extend each other in a circle: {names}" if link in chain else "too many services in a row"
            self.faults.add((*path, "extends"), what, "let one of them stand alone")
            service.pop("extends")
            return service
        base = self._extend(reference, base_origin, (*chain, link), path)
        if isinstance(base, dict):
            base = {key: value for key, value in _clone(base).items() if key != "extends"}
            for resets in dict.fromkeys((*origin.resets, *base_origin.resets)):
                take_away({"services": {name: base}}, resets)
            try:
                service = merge_service(base, service, name)
            except MergeError as error:
                self.faults.add(error.path, str(error), "give it the same kind of value")
            service.pop("extends", None)
            origin.services[name] = service
        return service

    def _reference(self, extends: Any, origin: Origin, path: Path) -> tuple[str, Origin] | None:
        """Return the extended service's name and origin; None after a fault."""
        if isinstance(extends, str):
            extends = {"service": extends}
        reference = extends.get("service") if isinstance(extends, dict) else None
        file = extends.get("file") if isinstance(extends, dict) else None
        if not isinstance(reference, str) or not isinstance(file, (str, type(None))):
            self.faults.at(path, "needs a service's name, and a file's if it is another", "see the Compose reference")
            return None
        where = origin if file is None else self._other(file, path)
        if reference in where.broken:
            self.faults.problems.extend(where.broken[reference])
            return None
        if reference not in where.services:
            named = f" in {self.disk.shown(where.file)}" if file else ""
            self.faults.at(
                path, f"names the service `{reference}`, which is not{named or ' there'}", "correct the name"
            )
            return None
        return reference, where

    def _other(self, name: str, path: Path) -> Origin:
        file = local_file(self.folder, name, self.faults.place(path))
        if file not in self.others:
            self.others[file] = self._read_other(file, path)
        return self.others[file]

    def _read_other(self, file: FilePath, path: Path) -> Origin:
        if not file.is_file():
            self.faults.at(path, f"names the file {self.disk.shown(file)}, which is not there", "correct the path")
            self.faults.stop()
        faults = attrs.evolve(self.faults, documents=[])
        tree: dict[str, Any] = {}
        broken: dict[str, list[Problem]] = {}
        resets: tuple[Path, ...] = ()
        for layer in self.disk.read(file, self.environ, faults):
            take_away(tree, layer.resets)
            faults.stop()
            tree, resets = merge(tree, {"services": layer.tree.get("services")}), layer.resets
            make_unique(tree)
            broken |= _set_broken_aside(tree, faults)
            canonical(tree, faults)
            make_unique(tree)
        resolve_paths(tree, os.path.relpath(file.parent, self.folder), self.disk.home, faults)
        faults.stop()
        return Origin(file, tree["services"], (resets,), broken)


def _set_broken_aside(tree: dict[str, Any], faults: Faults) -> dict[str, list[Problem]]:
    """Take services with faults out of `tree`: they matter only to those who extend them."""
    broken = {}
    services = tree["services"] if isinstance(tree.get("services"), dict) else {}
    for name, service in services.items():
        own = attrs.evolve(faults, problems=[])
        compose_file({"services": {name: service}}, (), own)
        if own.problems:
            broken[name] = own.problems
    tree["services"] = {name: service for name, service in services.items() if name not in broken}
    return broken


def _clone(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _clone(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_clone(entry) for entry in value]
    return value
