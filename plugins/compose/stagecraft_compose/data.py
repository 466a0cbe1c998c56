"""Keep on another host what services write to: read-write bind mounts of the project's folders.

They lie in ``HOME/data/PATH``. What the project's folder holds is sent once, when the path is first made; from then on
it is the services' own: no deploy, rollback or undo touches it.
"""

from __future__ import annotations

import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stagecraft_hookspecs.errors import ProviderError, Refused
from stagecraft_hookspecs.values import Command, File

from stagecraft_compose import bundle, naming

if TYPE_CHECKING:
    from stagecraft_compose.site import Site

#: In the rendered compose file: paths that are kept on the host, and folders below the release's that containers see.
KEY, FOLDERS = "x-stagecraft-data", "x-stagecraft-folders"
#: Bytes that are sent when a path is first made.
LIMIT = 256 << 20
TIMEOUT = 120.0
#: Print those paths that are not there. Arguments: the folder, then paths in it.
MISSING_SCRIPT = """\
folder=$1; shift
for path in "$@"; do [ -e "$folder/$path" ] || printf '%s\\n' "$path"; done
"""
#: Put what was sent in its place, as a whole; make an empty folder where nothing was. The folder is closed to others, so
#: what is in it may be readable for the containers' users. Arguments: the folder, then paths in it.
PLACE_SCRIPT = """\
umask 022
folder=$1; shift
mkdir -p -m 700 "$folder" && cd "$folder" || exit 1
[ ! -e .incoming ] || chmod -R a+rX,u+w .incoming || exit 1
for path in "$@"; do
  [ ! -e "./$path" ] || continue
  case $path in */*) mkdir -p "./${path%/*}" || exit 1 ;; esac
  if [ -e ".incoming/$path" ]; then mv ".incoming/$path" "./$path"; else mkdir "./$path"; fi || exit 1
done
rm -rf .incoming
"""


def places(site: Site) -> dict[str, str]:
    """Return where bind mounts of the project lead on a host, by the variable that the rendered file names them with."""
    if naming.is_local(site.host):
        return {"ROOT": str(site.ctx.root)}
    return {"DATA": f"{site.home}/data"}


def shipped_folders(document: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the folders, below the release's, that containers see; pure."""
    return tuple(str(path).replace("$$", "$") for path in document.get(FOLDERS) or ())


def ensure(site: Site, document: Mapping[str, Any]) -> None:
    """Make the paths that are missing on the host, with what the project's folder holds."""
    paths = sorted(str(path).replace("$$", "$") for path in document.get(KEY) or ())
    if not paths:
        return
    folder = places(site)["DATA"]
    look = Command(("sh", "-c", MISSING_SCRIPT, "missing", folder, *paths), cwd="/", timeout=TIMEOUT)
    missing = site.machine.run(look).stdout.splitlines()
    if not missing:
        return
    files = contents(site.ctx.root, missing)
    if files:
        site.ctx.log(f"sending {', '.join(missing)}, once", host=site.host.name)
        bundle.send(site.machine, f"{folder}/.incoming", files, exact=True)  # a killed run may have left some
    place = Command(("sh", "-c", PLACE_SCRIPT, "place", folder, *missing), cwd="/", timeout=TIMEOUT)
    site.machine.run(place)


def contents(root: Path, paths: Iterable[str], limit: int = LIMIT) -> dict[str, File]:
    """Return the project's files at and below paths.

    Raises:
        Refused: They are more than is sent.
        ProviderError: One cannot be read.
    """
    inside = root.resolve()
    found: dict[str, File] = {}
    left = limit
    for path in paths:
        for file in _walk(root / path):
            if not file.resolve().is_relative_to(inside):
                raise Refused(
                    f"{file.relative_to(root)} leads out of the project", hint="copy the file into the project"
                )
            try:
                status = file.stat()
                left -= status.st_size
                if left < 0:
                    break
                found[file.relative_to(root).as_posix()] = File(file.read_bytes(), stat.S_IMODE(status.st_mode))
            except OSError as error:
                raise ProviderError(f"cannot read {file}: {error.strerror}", hint="check its permissions") from error
        if left < 0:
            hint = f"copy it to the environment's folder on the host yourself, as data/{path}, then deploy again"
            raise Refused(f"{path} holds more than the {limit >> 20} MB that are sent to a new host", hint=hint)
    return found


def _walk(path: Path) -> Iterable[Path]:
    if path.is_file():
        return [path]
    return sorted(entry for entry in path.rglob("*") if entry.is_file())
