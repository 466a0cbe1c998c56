"""Read-only sight of the project's files, which never leaves the project."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from stagecraft_hookspecs.errors import NotFound, ProviderError, UserError

#: Bytes of the largest file a pure half may read.
LIMIT = 64 << 20


class ProjectFolder:
    """Implement ``Folder`` for a folder on disk."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()

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
