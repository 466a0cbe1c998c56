"""Ask the running proxy through its master socket: HAProxy itself is the client, started in the container for a moment.

The socket lies in the container's memory, where nobody but root gets at it; no image has a program for sockets that all
others have too, but each has HAProxy.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import attrs
from stagecraft_hookspecs.errors import ProviderError

from stagecraft_haproxy import names
from stagecraft_haproxy.engine import call
from stagecraft_haproxy.servers import Worker, read_worker

if TYPE_CHECKING:
    from stagecraft_haproxy.site import Site

#: What tells how the workers are: sessions of frontends, backends and servers, and what the servers were told.
STATE = ("* show stat -1 7 -1", "* show servers state")


@attrs.frozen
class Ask:
    """Put one command; ``payload`` is a file, relative to the proxy's folder, that follows it."""

    command: str
    payload: str = ""


@attrs.frozen
class Answer:
    """Hold an answer: which worker's (``current:7``, ``old:5``) or ``answer``, ``silent`` when nobody listened."""

    label: str
    text: str


@attrs.frozen
class Live:
    """Describe the running proxy: the digest of its structure, and its workers, the current one first."""

    structure: str
    workers: tuple[Worker, ...]

    @property
    def current(self) -> Worker:
        """Return the worker that takes new connections."""
        return self.workers[0]


def ask(site: Site, *asks: Ask | str) -> tuple[Answer, ...]:
    """Put commands in one go; raises ProviderError when the proxy does not answer."""
    environment = {
        "MASTER": names.MASTER,
        "OWN": f"{names.RUN}/client-{uuid.uuid4().hex[:8]}.sock",
        "ASKS": str(len(asks)),
    }
    for i, one in enumerate(asks, 1):
        given = Ask(one) if isinstance(one, str) else one
        environment[f"ASK{i}"] = given.command
        if given.payload:
            environment[f"FILE{i}"] = f"{names.MOUNT}/{given.payload}"
    _, out, said = execute(site, ("haproxy", "-db", "-f", f"{names.MOUNT}/client.cfg"), environment)
    return _answers(site, out, said)


def execute(site: Site, argv: Sequence[str], environment: dict[str, str] | None = None) -> tuple[int, bytes, str]:
    """Run a command in the container; return its exit code and what it printed on either stream.

    A line of its own on each stream says that it has ended: through a tunnel to the engine, the streams' end may not come.
    """
    what, mark = "run a command in the proxy's container", uuid.uuid4().hex
    script = ["sh", "-c", '"$@"; echo "$MARK $?"; echo "$MARK" >&2', "sh", *argv]
    given = {**(environment or {}), "MARK": mark}
    made = call(what, lambda: site.api.exec_create(site.name, script, environment=given))
    out, said = call(what, lambda: _streams(site, made["Id"], mark.encode()))
    text, _, code = out.rpartition(mark.encode() + b" ")
    return int(code) if code.strip().isdigit() else 1, text, said.partition(mark.encode())[0].decode(errors="replace")


def _streams(site: Site, identity: str, mark: bytes) -> tuple[bytes, bytes]:
    """Read both streams until the mark's line on each, or the end."""
    from docker.utils import socket

    out, said = bytearray(), bytearray()
    stream = site.api.exec_start(identity, socket=True)
    try:
        frames: Any = socket.frames_iter  # the client has no types
        for kind, data in frames(stream, tty=False):
            (out if kind == socket.STDOUT else said).extend(data)
            if all(s.endswith(b"\n") and mark in s[-len(mark) - 8 :] for s in (out, said)):
                break
    finally:
        stream.close()
    return bytes(out), bytes(said)


def look(site: Site) -> Live:
    """Return what the proxy says of itself: one exec, however many workers there are."""
    answers = ask(site, "@1 show info", *STATE)
    lines = answers[0].text.splitlines()
    structure = next((line.partition(": ")[2] for line in lines if line.startswith("description: ")), "")
    return Live(structure.strip(), told(site, answers))


def told(site: Site, answers: Iterable[Answer]) -> tuple[Worker, ...]:
    """Return the workers that answered to ``STATE``, the current one first; raises ProviderError without one."""
    texts: dict[str, list[str]] = {}
    for answer in answers:
        if answer.label.startswith(("current:", "old:")):
            texts.setdefault(answer.label, []).append(answer.text)
    # a worker that ended between the two questions is gone
    states = (read_worker(label, *both) for label, both in texts.items() if len(both) == len(STATE))
    workers = tuple(sorted(states, key=lambda w: not w.current))
    if not workers or not workers[0].current:
        raise _mute(site, "it names no worker")
    return workers


def _answers(site: Site, out: bytes, said: str) -> tuple[Answer, ...]:
    """Take apart what the client printed: a line ``LABEL LENGTH`` before every answer."""
    found = []
    while out:
        head, _, rest = out.partition(b"\n")
        label, _, length = head.decode(errors="replace").rpartition(" ")
        if not label or not length.isdigit() or len(rest) < int(length):
            raise _mute(site, said or out.decode(errors="replace"))
        found.append(Answer(label, rest[: int(length)].decode(errors="replace")))
        out = rest[int(length) :]
    if not found or found[0].label == "silent":
        raise _mute(site, said)
    return tuple(found)


def _mute(site: Site, said: str) -> ProviderError:
    tail = "\n".join(said.splitlines()[-10:])
    message = f"the proxy {site.name} on {site.host.name} does not answer its administrator"
    return ProviderError(message, hint=f"see what it says: docker logs --tail 50 {site.name}", detail=tail)
