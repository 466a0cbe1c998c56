"""Keep a release's files on a host, and remember which release serves.

``HOME/releases/ID/`` holds the rendered files with secrets filled, the ``.env`` that the compose file is
interpolated with, and ``services.json``: what the release wants of each service. ``HOME/current`` names the release
that serves. Nothing else is remembered; the rest is told from the containers' labels.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs
from stagecraft_hookspecs.errors import NotFound, ProviderError
from stagecraft_hookspecs.values import Command

from stagecraft_compose import dotenv, naming
from stagecraft_compose.containers import Wanted

if TYPE_CHECKING:
    from stagecraft_hookspecs.context import Context, Machine
    from stagecraft_hookspecs.values import File


@attrs.frozen
class Unit:
    """Hold what a release wants of one service, as ``services.json`` keeps it."""

    fingerprint: str
    replicas: int
    finishes: bool = False
    image: str = ""
    image_id: str = ""
    definition: Mapping[str, Any] = attrs.field(factory=dict, repr=False)

    @property
    def wanted(self) -> Wanted:
        """Return it in the terms of the containers."""
        return Wanted(self.fingerprint, self.replicas, self.finishes)


def filled(ctx: Context, files: Mapping[str, File]) -> dict[str, bytes]:
    """Return the content of every file with its secrets filled; environment files are quoted anew."""

    def reveal(text: str) -> str:
        return ctx.fill(text).reveal()

    found: dict[str, bytes] = {}
    for path, file in sorted(files.items()):
        if path.startswith("env/"):
            found[path] = dotenv.fill(file.data, reveal)
        elif file.secret:
            found[path] = reveal(file.data.decode()).encode() if b"<secret:" in file.data else file.data
        else:
            found[path] = file.data
    return found


def ship(
    machine: Machine,
    folder: str,
    modes: Mapping[str, int],
    contents: Mapping[str, bytes],
    units: Mapping[str, Unit],
    env: Mapping[str, str],
) -> None:
    """Write a release's folder. Only its owner can enter it, so a secret's file may be readable for the container's
    user.
    """
    if not _exists(machine, f"{folder}/{naming.SERVICES_FILE}"):
        machine.run(Command(("mkdir", "-p", "-m", "700", folder), cwd="/", timeout=20))
    for path, data in sorted(contents.items()):
        if read_if_there(machine, f"{folder}/{path}") != data:
            machine.write(f"{folder}/{path}", data, mode=modes.get(path, 0o600))
    machine.write(f"{folder}/.env", dotenv.dump(env), mode=0o600)
    # the release can be used once this file is there: it is written last
    machine.write(f"{folder}/{naming.SERVICES_FILE}", _dump(units), mode=0o600)


def units_of(machine: Machine, home: str, release_id: str) -> dict[str, Unit] | None:
    """Return what a release wants on this host; None when it was never prepared here."""
    data = (
        read_if_there(machine, f"{naming.release_folder(home, release_id)}/{naming.SERVICES_FILE}")
        if release_id
        else None
    )
    if data is None:
        return None
    try:
        return {name: Unit(**unit) for name, unit in json.loads(data)["services"].items()}
    except (ValueError, KeyError, TypeError) as error:
        path = f"{naming.release_folder(home, release_id)}/{naming.SERVICES_FILE}"
        raise ProviderError(
            f"{path} on {machine.host.name} is damaged: {error}", hint="remove it and deploy again"
        ) from error


def current(machine: Machine, home: str) -> str:
    """Return the id of the release that serves on this host, or an empty string."""
    return (read_if_there(machine, naming.current_file(home)) or b"").decode().strip()


def set_current(machine: Machine, home: str, release_id: str) -> None:
    """Remember which release serves; nothing is written when it is known already."""
    if not release_id:
        machine.remove(naming.current_file(home))
    elif current(machine, home) != release_id:
        machine.write(naming.current_file(home), f"{release_id}\n".encode())


def begun_stops(machine: Machine, home: str) -> set[str]:
    """Return the ids of the containers whose stop was begun: the engine finishes it even when we are gone."""
    return set(_stopping(machine, home)[1:])


def begin_stops(machine: Machine, home: str, release_id: str, identities: set[str]) -> None:
    """Remember, before it is done, that a release's step stops containers."""
    known = begun_stops(machine, home)
    if not identities <= known:
        text = "\n".join([release_id or "-", *sorted(known | identities)])
        machine.write(naming.stopping_file(home), text.encode())


def forget_stops(machine: Machine, home: str, unless_of: str = "") -> None:
    """Forget the stops, they are over; those of ``unless_of`` may not be: its run may have been killed a moment ago."""
    found = _stopping(machine, home)
    if found and found[0] != unless_of:
        machine.remove(naming.stopping_file(home))


def _stopping(machine: Machine, home: str) -> list[str]:
    return (read_if_there(machine, naming.stopping_file(home)) or b"").decode().split()


def _dump(units: Mapping[str, Unit]) -> bytes:
    document = {"services": {name: attrs.asdict(unit) for name, unit in sorted(units.items())}}
    return (json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def read_if_there(machine: Machine, path: str) -> bytes | None:
    """Return a file's bytes, or None without one."""
    try:
        return machine.read(path)
    except NotFound:
        return None


def _exists(machine: Machine, path: str) -> bool:
    return read_if_there(machine, path) is not None
