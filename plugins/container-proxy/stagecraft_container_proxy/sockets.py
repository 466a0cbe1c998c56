"""What listens on a host, and which connections are open there, as ``ss`` tells."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import attrs
from stagecraft_hookspecs.values import Command

if TYPE_CHECKING:
    from stagecraft_hookspecs.context import Machine

ANY = ""
_OWNER = re.compile(r'\("(?P<name>[^"]*)",pid=(?P<pid>\d+)')
_TIMEOUT = 20.0


@attrs.frozen(order=True)
class Listener:
    """Name a listening socket: address (empty: all), port, and the process as far as it can be seen."""

    address: str
    port: int
    process: str = ""

    def meets(self, address: str, port: int) -> bool:
        """Tell whether another listener could not, or should not, stand beside it."""
        return self.port == port and (ANY in (self.address, address) or self.address == address)


def listeners(machine: Machine) -> tuple[Listener, ...]:
    """Return the TCP listeners of a host, sorted; raises ToolMissing where it has no ``ss``."""
    return tuple(sorted(_listener(line) for line in _lines(machine, "-Hltnp") if _shape(line)))


def connections(machine: Machine) -> tuple[tuple[str, int], ...]:
    """Return the far end of each established TCP connection, as address and port."""
    return tuple(
        split(line.split()[4]) for line in _lines(machine, "-Htn") if _shape(line) and line.split()[0] == "ESTAB"
    )


def split(text: str) -> tuple[str, int]:
    """Return address and port of ``ss``'s ``ADDRESS:PORT``; the address is empty where it means all."""
    address, _, port = text.rpartition(":")
    address = address.partition("%")[0].strip("[]").removeprefix("::ffff:")
    return ("" if address in ("*", "0.0.0.0", "::") else address), int(port)  # noqa: S104


def _listener(line: str) -> Listener:
    owner = _OWNER.search(line)
    return Listener(*split(line.split()[3]), f"{owner['name']} (process {owner['pid']})" if owner else "")


def _lines(machine: Machine, flags: str) -> list[str]:
    return machine.run(Command(("ss", flags), timeout=_TIMEOUT)).stdout.splitlines()


def _shape(line: str) -> bool:
    """Tell whether a line is one of ``ss``'s; anything else that a login shell prints is left out."""
    fields = line.split()
    return (
        len(fields) >= 5
        and all(re.fullmatch(r"\S*:(\d+|\*)", field) for field in fields[3:5])
        and (fields[3].rpartition(":")[2].isdigit())
        and (fields[0] != "ESTAB" or fields[4].rpartition(":")[2].isdigit())
    )
