"""Read one compose file into interpolated trees, and take away what `!reset` and `!override` name."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path as FilePath
from typing import Any

import attrs
from stagecraft_hookspecs.errors import Mark, Problem

from stagecraft.compose.casts import CASTS
from stagecraft.compose.faults import Faults, Path, fail
from stagecraft.compose.interpolate import interpolate
from stagecraft.compose.scalars import timestamp
from stagecraft.yaml_marks import Marked, load_all_marked
from stagecraft.yaml_scalars import resolve_scalar

MAX_BYTES = 4_000_000

_REMOTE = ("https://", "http://", "git://", "ssh://", "git@", "github.com/", "oci://", "oci:")


@attrs.frozen
class Layer:
    """One document of a compose file: its tree, its marks, and the paths that it takes away from earlier layers."""

    tree: dict[str, Any]
    marked: Marked
    resets: tuple[Path, ...]


@attrs.define
class Disk:
    """What is read from disk and seen on the way: files for fingerprints, warnings, and how files are shown."""

    project_dir: FilePath
    home: str | None
    files: dict[FilePath, None] = attrs.Factory(dict)
    warnings: dict[Problem, None] = attrs.Factory(dict)
    references: Mapping[str, str] = attrs.Factory(dict)
    _documents: dict[FilePath, list[Marked]] = attrs.Factory(dict)

    def shown(self, path: FilePath | str) -> str:
        """Return a path relative to the project where it lies below it."""
        text, root = str(path), f"{self.project_dir}{os.sep}"
        return text[len(root) :] if text.startswith(root) else text

    def shielded(self, environ: Mapping[str, str]) -> Mapping[str, str]:
        """Return the variables with a reference in place of every secret that has a value."""
        return {**environ, **{name: text for name, text in self.references.items() if environ.get(name)}}

    def documents(self, path: FilePath) -> list[Marked]:
        """Parse a compose file, once; every document of it must be a mapping."""
        if path not in self._documents:
            self.files[path] = None
            documents = load_all_marked(path, self.shown(path), max_bytes=MAX_BYTES, tags=None, scalar=_scalar)
            for marked in documents:
                if not isinstance(marked.data, dict):
                    what = "the file is empty" if marked.data is None else "a compose file must be a mapping"
                    raise fail(what, "begin with `services:`", marked.mark())
            self._documents[path] = documents
        return self._documents[path]

    def read(self, path: FilePath, environ: Mapping[str, str], faults: Faults) -> list[Layer]:
        """Read every document of a compose file with variables replaced; add its marks to `faults`."""
        layers = []
        for marked in self.documents(path):
            faults.documents.append(marked)
            layers.append(self._layer(marked, environ, faults))
        return layers

    def _layer(self, marked: Marked, environ: Mapping[str, str], faults: Faults) -> Layer:
        here = attrs.evolve(faults, documents=[marked])

        def unset(path: Path, name: str) -> None:
            hint = f"set {name} in .env or the environment, or write `${{{name}:-}}`"
            self.warnings[Problem(f"the variable {name} is not set and counts as empty", hint, marked.mark(path))] = (
                None
            )

        shielded = self.shielded(environ).get if self.references else None
        tree = interpolate(marked.data, environ.get, CASTS, here.add, unset, shielded)
        tagged = [(path, tag) for path, tag in marked.tags() if tag in ("!reset", "!override")]
        for path, tag in reversed(tagged):
            if tag == "!reset":
                _remove(tree, path)
        return Layer(tree, marked, tuple(path for path, _ in tagged))


def _scalar(text: str) -> Any:
    value = resolve_scalar(text)
    return timestamp(text) or text if value is text and text[4:5] == "-" else value


def _remove(tree: Any, path: Path) -> None:
    for step in path[:-1]:
        tree = tree[step]
    del tree[path[-1]]


def take_away(tree: dict[str, Any], resets: Iterable[Path]) -> None:
    """Remove every path from `tree` that is there; items of lists stay, as in compose."""
    for path in resets:
        node: Any = tree
        for step in path[:-1]:
            node = node.get(step) if isinstance(node, dict) and isinstance(step, str) else None
        if isinstance(node, dict) and path:
            node.pop(path[-1], None)


def local_file(folder: FilePath, name: str, where: Mark | None) -> FilePath:
    """Return the file that an `include` or `extends` names; remote ones are refused, as planning uses no network."""
    if name.startswith(_REMOTE) or name.endswith(".git") or ".git#" in name:
        raise fail(f"`{name}` is not a local file", "copy it into the project; planning uses no network", where)
    return FilePath(os.path.normpath(folder / name))
