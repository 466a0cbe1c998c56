"""Read the files of one project, and those that it includes, into one canonical compose tree."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path as FilePath
from typing import Any

import attrs

from stagecraft.compose.canonical import add_defaults, canonical, check_resources
from stagecraft.compose.envfile import read_env_files
from stagecraft.compose.extends import Extender
from stagecraft.compose.faults import Faults
from stagecraft.compose.layers import Disk, Layer, local_file, take_away
from stagecraft.compose.merge import MergeError, merge
from stagecraft.compose.normalize import pass_through
from stagecraft.compose.paths import resolve_paths
from stagecraft.compose.schema import compose_file, include_entries
from stagecraft.compose.unique import make_unique

_SECTIONS = ("services", "volumes", "networks", "secrets", "configs")


@attrs.frozen
class Level:
    """A project: its folder, the prefix that its relative paths get, its variables, and the files around it."""

    disk: Disk
    folder: FilePath
    base: str
    environ: Mapping[str, str]
    faults: Faults
    outer: tuple[FilePath, ...] = ()


def read_level(level: Level, files: Sequence[FilePath]) -> dict[str, Any]:
    """Return the merged tree of `files` in long form, paths resolved. Raise ConfigError with all faults of a step."""
    extender = Extender(level.disk, level.folder, level.environ, level.faults)
    tree: dict[str, Any] = {}
    for file in files:
        level = attrs.evolve(level, outer=(*level.outer, file))
        for layer in level.disk.read(file, level.environ, level.faults):
            extender.apply(layer, file)
            level.faults.stop()
            take_away(tree, layer.resets)
            _include(level, layer)
            tree = _add(level, tree, layer)
    add_defaults(tree, level.faults)
    check_resources(tree, level.faults)
    resolve_paths(tree, level.base, level.disk.home, level.faults)
    pass_through(tree, level.disk.shielded(level.environ))
    level.faults.stop()
    return tree


def _add(level: Level, tree: dict[str, Any], layer: Layer) -> dict[str, Any]:
    try:
        tree = merge(tree, layer.tree)
    except MergeError as error:
        level.faults.add(error.path, str(error), "give it the same kind of value, or use `!override`")
        level.faults.stop()
    make_unique(tree)
    compose_file(tree, (), level.faults)
    level.faults.stop()
    if tree.pop("version", None) is not None:
        from stagecraft_hookspecs.errors import Problem

        where = layer.marked.key_mark(("version",))
        level.disk.warnings[Problem("`version` is obsolete and ignored", "remove it", where)] = None
    canonical(tree, level.faults)
    level.faults.stop()
    make_unique(tree)
    return tree


def _include(level: Level, layer: Layer) -> None:
    """Bring the resources of every included project into the layer."""
    if "include" not in layer.tree:
        return
    known = len(level.faults.problems)
    include_entries(layer.tree["include"] or [], ("include",), level.faults)
    if len(level.faults.problems) > known:
        compose_file({**layer.tree, "include": []}, (), level.faults)
        level.faults.stop()
    entries = layer.tree.pop("include") or []
    for index, entry in enumerate(entries):
        place = level.faults.place(("include", index))
        imported = _read_included(level, {"path": entry} if isinstance(entry, str) else entry, place)
        for section in _SECTIONS:
            for name, resource in (imported.get(section) or {}).items():
                target = layer.tree.setdefault(section, {})
                if name in target and target[name] != resource:
                    what = f"{section}.{name} is also defined by an included file"
                    level.faults.add((section, name), what, "rename one, or change it in an override file", key=True)
                target[name] = resource
        level.faults.stop()


def _read_included(level: Level, entry: dict[str, Any], place: Any) -> dict[str, Any]:
    names = _texts(entry.get("path"))
    files = [local_file(level.folder, name, place) for name in names]
    for file in files:
        if not file.is_file():
            level.faults.problems.append(_problem(f"the included file {level.disk.shown(file)} is not there", place))
    if not files:
        level.faults.problems.append(_problem("an include needs a `path`", place))
    elif files[0] in level.outer or len(level.outer) > 50:
        circle = " -> ".join(level.disk.shown(file) for file in (*level.outer, files[0]))
        level.faults.problems.append(_problem(f"files include each other in a circle: {circle}", place))
    level.faults.stop()
    folder, base = _included_folder(level, entry.get("project_directory"), files[0])
    env_files = [FilePath(os.path.normpath(level.folder / name)) for name in _texts(entry.get("env_file"))]
    for file in env_files:
        if not file.is_file():
            level.faults.problems.append(_problem(f"the env file {level.disk.shown(file)} is not there", place))
    level.faults.stop()
    if not env_files and (folder / ".env").is_file():
        env_files = [folder / ".env"]
    level.disk.files.update(dict.fromkeys(env_files))
    shown = {file: level.disk.shown(file) for file in env_files}
    environ = {**read_env_files(env_files, shown, level.environ), **level.environ}
    documents = level.faults.documents
    faults = attrs.evolve(level.faults, documents=[])
    tree = read_level(attrs.evolve(level, folder=folder, base=base, environ=environ, faults=faults), files)
    documents[:0] = faults.documents
    return tree


def _included_folder(level: Level, given: Any, file: FilePath) -> tuple[FilePath, str]:
    if not given:
        return file.parent, os.path.relpath(file.parent, level.folder)
    folder = FilePath(os.path.normpath(level.folder / given))
    if given.startswith("/"):
        return folder, given
    # a folder that is not there counts as its parent, as in compose
    return folder, os.path.relpath(folder if folder.is_dir() else folder.parent, level.folder)


def _texts(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value or ())


def _problem(message: str, place: Any) -> Any:
    from stagecraft_hookspecs.errors import Problem

    return Problem(message, "correct the `include` entry", place)
