"""A route's targets as one line of a file that Caddy reads at each request. Pure.

The line is ``keep-alive ADDRESS PORT ADDRESS PORT …``: the value of the answers' ``Connection`` header, then ``slots`` pairs. The
targets are repeated to fill the slots, so that the configuration need not know how many there are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from stagecraft_container_proxy.names import hostport
from stagecraft_hookspecs.errors import UserError
from stagecraft_hookspecs.proxy import Endpoint, Route

#: Even shares for 1, 2, 3, 4, 6 and 12 targets.
SLOTS = 12
KEEP, CLOSE = "keep-alive", "close"
_ADDRESS = re.compile(r"[A-Za-z0-9_.:-]+")


def slots(routes: Iterable[Route]) -> int:
    """Return how many slots the configuration has: a multiple of 12, so that it hardly ever changes."""
    most = max((len(route.targets) for route in routes), default=0)
    return SLOTS * max(1, -(-most // SLOTS))


def line(targets: tuple[Endpoint, ...], count: int, connection: str = KEEP) -> bytes:
    """Return the file's content; without targets it matches no pattern, and the maintenance page is sent."""
    pairs = []
    for target in sorted({(t.address, t.port) for t in targets}):
        if not _ADDRESS.fullmatch(target[0]):
            raise UserError(f"{target[0]!r} is no address", hint="targets are IP addresses or host names")
        pairs.append(f"{target[0]} {target[1]}")
    filled = [pairs[slot % len(pairs)] for slot in range(count)] if pairs else []
    return (" ".join([connection, *filled]) + "\n").encode()


def pattern(count: int) -> str:
    """Return the expression that takes a line apart: group 1 is the header's value, then address and port by turns.

    A line may have more slots than that: while a reload changes their number, both configurations read the same file.
    """
    return f"^({KEEP}|{CLOSE})" + r" (\S+) (\d+)" * count + r"\b"


def endpoints(text: str) -> tuple[Endpoint, ...]:
    """Return the targets that a line names, sorted, each once."""
    words = text.split()[1:]
    pairs = zip(words[::2], words[1::2], strict=False)
    return tuple(sorted({Endpoint(address, int(port)) for address, port in pairs if port.isdigit()}))


def shown(targets: Iterable[Endpoint]) -> tuple[str, ...]:
    """Return targets as ``address:port``, sorted, each once."""
    return tuple(sorted({hostport(t.address, t.port) for t in targets}))
