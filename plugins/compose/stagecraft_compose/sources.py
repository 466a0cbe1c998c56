"""Copy the compose file's secrets that are files of the project into a release, when it is shipped.

The rendered compose file names where each comes from under ``x-stagecraft-sources``; their content is in no draft and
no stored release.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stagecraft_hookspecs.errors import UserError
from stagecraft_hookspecs.values import File

if TYPE_CHECKING:
    from pathlib import Path

    from stagecraft_compose.site import Site

KEY = "x-stagecraft-sources"


def contents(site: Site, document: Mapping[str, Any]) -> dict[str, File]:
    """Return path in the bundle to file; readable, since nothing says who the container's user is."""
    found = {}
    for path, source in sorted((document.get(KEY) or {}).items()):
        file = site.ctx.root / str(source).replace("$$", "$")
        found[path] = File(_read(file, path), 0o444, secret=True)
    return found


def _read(file: Path, path: str) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        name = path.rpartition("/")[2]
        raise UserError(
            f"secret {name!r}: cannot read {file}: {error.strerror}", hint="correct `file` in the compose file"
        ) from error
