"""Put a release's files on a host: the rendered ones with their secrets filled, ``.env``, and ``services.json``.

They lie in ``HOME/releases/ID/``. Only its owner can enter that folder, so a file in it may be readable for the
container's user, whoever that is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from stagecraft_hookspecs.values import Command, File

from stagecraft_compose import dotenv, memory, naming
from stagecraft_compose.memory import Unit

if TYPE_CHECKING:
    from stagecraft_hookspecs.context import Context, Machine

TIMEOUT = 60.0
#: Make a release's folder, closed to others, and the folders in it that containers look into, open to them. Arguments:
#: the folder, then paths below it.
FOLDER_SCRIPT = """\
umask 022
folder=$1; shift
mkdir -p "${folder%/*}" && mkdir -p -m 700 "$folder" && chmod 700 "$folder" || exit 1
for path in "$@"; do mkdir -p "$folder/$path" || exit 1; done
"""


def filled(ctx: Context, files: Mapping[str, File]) -> dict[str, File]:
    """Return every file with its secrets filled; environment files are quoted anew."""

    def reveal(text: str) -> str:
        return ctx.fill(text).reveal()

    def content(path: str, file: File) -> bytes:
        if path.startswith("env/"):
            return dotenv.fill(file.data, reveal)
        if file.secret and b"<secret:" in file.data:
            return reveal(file.data.decode()).encode()
        return file.data

    return {path: File(content(path, file), file.mode, file.secret) for path, file in sorted(files.items())}


def ship(
    machine: Machine,
    folder: str,
    files: Mapping[str, File],
    units: Mapping[str, Unit],
    env: Mapping[str, str],
    folders: Iterable[str] = (),
) -> None:
    """Write a release's folder.

    Args:
        files: Path in the folder to file.
        env: What the compose file is interpolated with.
        folders: Paths in the folder that containers see as folders, empty ones too.
    """
    inner = {path.rpartition("/")[0] for path in files if "/" in path} | set(folders)
    make = Command(("sh", "-c", FOLDER_SCRIPT, "folder", folder, *sorted(inner)), cwd="/", timeout=TIMEOUT)
    machine.run(make)
    send(machine, folder, {**files, ".env": File(dotenv.dump(env), 0o600)})
    # the release can be used once this file is there: it is written last
    machine.write(f"{folder}/{naming.SERVICES_FILE}", memory.dump(units), mode=0o600)


def send(machine: Machine, folder: str, files: Mapping[str, File], *, exact: bool = False) -> None:
    """Write files below a folder, those that differ; secrets too get the mode that they have here: the folder is closed
    to others, and a container's user must be able to read its own.
    """
    machine.upload({path: File(file.data, file.mode) for path, file in sorted(files.items())}, folder, exact=exact)
