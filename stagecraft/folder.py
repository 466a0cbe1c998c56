"""Read-only sight of the project's files, which never leaves the project."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from stagecraft_hookspecs.errors import NotFound, ProviderError, UserError
from stagecraft_hookspecs.values import File

#: Bytes of the largest file a pure half may read.
LIMIT = 64 << 20


class ProjectFolder:
    """Implement ``Folder`` for a folder on disk."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()
        self._trees: dict[tuple[str, int], Mapping[str, File]] = {}

    def exists(self, path: str) -> bool:
        """Tell whether a file or folder is there."""
        return self._inside(path).exists()

    def read(self, path: str) -> bytes:
        """Return a file's bytes."""
        target = self._inside(path)
        try:
            if target.stat().st_size > LIMIT:
                raise UserError(f"{path} is larger than {LIMIT >> 20} MB", hint="is it the file you meant?")
            return target.read_bytes()
        except FileNotFoundError:
            raise NotFound("file", path, hint=f"it should lie in {self._root}") from None
        except OSError as error:
            raise ProviderError(f"cannot read {path}: {error.strerror}", hint="check the file's permissions") from error

    def tree(self, path: str, limit: int) -> Mapping[str, File]:
        """Return every file at or below a path, with its mode, read once: what a release is made of does not change."""
        known = self._trees.get((path, limit))
        if known is None:
            known = self._trees[path, limit] = self._read_tree(path, limit)
        return known

    def _read_tree(self, path: str, limit: int) -> Mapping[str, File]:
        start = self._inside(path)
        if not start.exists():
            raise NotFound("file", path, hint=f"it should lie in {self._root}")
        found: dict[str, File] = {}
        size = 0
        try:
            for inner in _files(start, ()):
                name = str(PurePosixPath(path) / inner)
                target = self._inside(name)
                status = target.stat()
                size += status.st_size
                if size > limit:
                    raise UserError(f"{path} is larger than {limit >> 20} MB", hint="is it the folder you meant?")
                found[name] = File(target.read_bytes(), stat.S_IMODE(status.st_mode))
        except OSError as error:
            raise ProviderError(f"cannot read {path}: {error.strerror}", hint="check its permissions") from error
        return dict(sorted(found.items()))

    def glob(self, pattern: str) -> tuple[str, ...]:
        """Return matching files, sorted; those that a symlink puts outside the project are an error."""
        base = pattern.removeprefix("./")
        self._inside(base.partition("*")[0].rpartition("/")[0] or ".")
        found = (p.relative_to(self._root).as_posix() for p in self._root.glob(base) if p.is_file())
        return tuple(sorted(path for path in found if self._inside(path)))

    def _inside(self, path: str) -> Path:
        pure = PurePosixPath(path)
        if pure.is_absolute() or ".." in pure.parts or "\0" in path:
            raise UserError(f"path {path!r} leaves the project", hint="paths are relative to the project's folder")
        target = (self._root / pure).resolve()
        if not target.is_relative_to(self._root):
            raise UserError(f"path {path!r} leaves the project through a link", hint="copy the file into the project")
        return target


def _files(path: Path, above: tuple[Path, ...]) -> Iterator[str]:
    """Yield the files at or below a path, relative to it; a link to a folder that it lies in is not entered."""
    if path.is_file():
        yield ""
    elif path.is_dir() and (real := path.resolve()) not in above:
        for entry in sorted(path.iterdir()):
            for inner in _files(entry, (*above, real)):
                yield f"{entry.name}/{inner}".rstrip("/")
