"""Read, in one command, what a host remembers: which release serves, what releases want, whose stop was begun.

``HOME/current`` names the release that serves, ``HOME/releases/ID/services.json`` holds what a release wants of each
service, ``HOME/stopping`` the containers whose stop was begun. Nothing else is remembered; the rest is told from the
containers' labels.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import attrs
from stagecraft_hookspecs.errors import ProviderError
from stagecraft_hookspecs.values import Command

from stagecraft_compose import naming
from stagecraft_compose.containers import Wanted

if TYPE_CHECKING:
    from stagecraft_hookspecs.context import Machine

TIMEOUT = 30.0
#: Print files, each line behind a ``|``, each file behind a heading; a file may end without a newline. Arguments: the
#: home, then releases' ids. The last one printed is the release that serves. Short files are read by the shell itself,
#: which costs no process: every step of every release asks this.
READ_SCRIPT = """\
home=$1; shift
show() { printf '\\n= %s\\n' "$1"; [ ! -f "$2" ] || sed 's/^/|/' "$2" || exit 1; }
short() {
  printf '\\n= %s\\n' "$1"; [ -f "$2" ] || return 0
  while IFS= read -r line || [ -n "$line" ]; do printf '|%s\\n' "$line"; done < "$2" || exit 1
}
short current "$home/current"
short stopping "$home/stopping"
short version "$home/compose-version"
printf '\\n= shipped\\n'
for path in "$home"/releases/*; do [ ! -d "$path" ] || printf '|%s\\n' "${path##*/}"; done
current=; [ ! -f "$home/current" ] || read -r current < "$home/current"
for id in "$@" $current; do show "release $id" "$home/releases/$id/services.json"; done
"""


@attrs.frozen
class Unit:
    """Hold what a release wants of one service, as ``services.json`` keeps it.

    Attributes:
        finishes: Whether it is meant to end.
        order: In which order the release replaces it, ``start-first`` or ``stop-first``.
        image, image_id: The environment's own tag, and what it names on this host.
        definition: What later steps ask of the service's definition.
    """

    fingerprint: str
    replicas: int
    finishes: bool = False
    image: str = ""
    image_id: str = ""
    order: str = ""
    definition: Mapping[str, Any] = attrs.field(factory=dict, repr=False)

    @property
    def wanted(self) -> Wanted:
        """Return it in the terms of the containers."""
        return Wanted(self.fingerprint, self.replicas, self.finishes)


@attrs.frozen
class Memory:
    """Hold what a host remembers.

    Attributes:
        current: The release that serves, or empty.
        stopping: Who began stops (a release, ``-``, or empty), then the containers' ids.
        compose: Version of Docker Compose that was found there, or empty.
        releases: Release to what it wants; those that were asked about and are there.
        shipped: All releases that have a folder there.
    """

    current: str = ""
    stopping: tuple[str, ...] = ()
    compose: str = ""
    releases: Mapping[str, Mapping[str, Unit]] = attrs.field(factory=dict)
    shipped: frozenset[str] = frozenset()

    def units(self, release_id: str) -> Mapping[str, Unit] | None:
        """Return what a release wants here; None when it was never prepared here."""
        return self.releases.get(release_id)

    @property
    def begun(self) -> frozenset[str]:
        """Return the ids of the containers whose stop was begun: the engine finishes it even when we are gone."""
        return frozenset(self.stopping[1:])


def recall(machine: Machine, home: str, releases: Iterable[str] = ()) -> Memory:
    """Return what a host remembers, of the given releases and of the one that serves."""
    ids = tuple(dict.fromkeys(r for r in releases if r))
    argv = ("sh", "-c", READ_SCRIPT, "recall", home, *ids)
    texts = sections(machine.run(Command(argv, cwd="/", timeout=TIMEOUT)).stdout)
    found = {}
    for heading, text in texts.items():
        kind, _, release_id = heading.partition(" ")
        if kind == "release" and text:
            found[release_id] = _units(machine.host.name, f"{naming.release_folder(home, release_id)}", text)
    plain = {key: texts.get(key, "").strip() for key in ("current", "stopping", "version")}
    shipped = frozenset(texts.get("shipped", "").splitlines())
    return Memory(plain["current"], tuple(plain["stopping"].split()), plain["version"], found, shipped)


def sections(output: str) -> dict[str, str]:
    """Return heading to text of what ``READ_SCRIPT`` printed; pure."""
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in output.splitlines():
        if line.startswith("= "):
            lines = found[line[2:]] = []
        elif line:
            lines.append(line[1:])
    return {heading: "\n".join(text) for heading, text in found.items()}


def _units(host: str, folder: str, text: str) -> dict[str, Unit]:
    try:
        return {name: Unit(**unit) for name, unit in json.loads(text)["services"].items()}
    except (ValueError, KeyError, TypeError) as error:
        path = f"{folder}/{naming.SERVICES_FILE}"
        raise ProviderError(f"{path} on {host} is damaged: {error}", hint="remove it and deploy again") from error


def dump(units: Mapping[str, Unit]) -> bytes:
    """Return the content of ``services.json``: plain ASCII, so that it can be read through any shell."""
    document = {"services": {name: attrs.asdict(unit) for name, unit in sorted(units.items())}}
    return (json.dumps(document, indent=1, sort_keys=True) + "\n").encode()


def set_current(machine: Machine, home: str, known: Memory, release_id: str) -> None:
    """Remember which release serves; nothing is written when it is known already."""
    if not release_id:
        machine.remove(naming.current_file(home))
    elif known.current != release_id:
        machine.write(naming.current_file(home), f"{release_id}\n".encode())


def forget_stops(machine: Machine, home: str, known: Memory, unless_of: str = "") -> None:
    """Forget the stops, they are over; those of ``unless_of`` may not be: its run may have been killed a moment ago."""
    if known.stopping and known.stopping[0] != unless_of:
        machine.remove(naming.stopping_file(home))
