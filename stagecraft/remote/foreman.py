"""Speak with a host's foreman: frames out by one thread, results in by another, nobody waits for the network with a lock."""

from __future__ import annotations

import contextlib
import queue
import secrets
import shlex
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from stagecraft_hookspecs.errors import ProviderError, ToolMissing

from stagecraft.remote.results import Parser, Reply
from stagecraft.remote.ssh import now

if TYPE_CHECKING:
    from paramiko import Channel

_BLOCK = 1 << 16
_GREETING = 20.0


class Foreman:
    """Run commands through the persistent shell on one host.

    Args:
        channel: A fresh session of the host.
        interval: Seconds between signs of life.
        limit: Seconds without any answer after which the host counts as gone.
        lost: Called once, when the shell has ended or the host is gone.

    Attributes:
        folder: Its private folder on the host, gone when it ends.
        home: The login folder.
        beat: When the last sign of life that was answered had been sent.
    """

    def __init__(self, channel: Channel, interval: float, limit: float, lost: Callable[[], None]) -> None:
        self._channel, self._lost = channel, lost
        self.interval, self.limit = interval, limit
        self.nonce = secrets.token_hex(8)
        self._parser = Parser(self.nonce)
        self._frames: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._replies: dict[str, Reply] = {}
        self._done: list[str] = []
        self._count = 0
        self._pings: dict[str, float] = {}
        self._ready = threading.Event()
        self._woken = Woken()
        self.folder = self.home = ""
        self.alive = True
        self.beat = self._heard = now()

    def start(self) -> None:
        """Start the shell and wait for its greeting; raises ProviderError when there is none."""
        channel = self._channel
        channel.in_buffer.set_event(self._woken)
        channel.in_stderr_buffer.set_event(self._woken)
        wrapper = 'exec 3<&0; setsid /bin/sh -c "$1" stagecraft "$2" <&3 3<&- & wait'
        channel.exec_command(f"exec /bin/sh -c {quoted(wrapper)} stagecraft {quoted(program())} {self.nonce}")
        for work in (self._read, self._write):
            threading.Thread(target=work, name="stagecraft-foreman", daemon=True).start()
        self._ready.wait(_GREETING)
        greeting = self._parser.greeting
        if greeting is None:
            said = self._parser.noise
            cut = not channel.get_transport().is_active()
            self.end()
            if cut:
                raise ProviderError(
                    "the connection was lost before anything was run",
                    hint="check the network and the host, then repeat",
                )
            raise ProviderError(
                "the host gives no shell to run commands in",
                hint="the deploy user needs a POSIX shell as its login shell, such as /bin/sh, and no forced command",
                detail="\n".join(said.splitlines()[-5:]),
            )
        if greeting[0] != "1":
            self.end()
            raise ToolMissing(greeting[1], hint="install it on the host (Debian: coreutils and util-linux)")
        _, _, self.folder, self.home = greeting

    def name(self, kind: str = "") -> str:
        """Return a name that no other command has."""
        with self._lock:
            self._count += 1
            return f"{kind}{self._count}"

    def run(self, text: str, stdin: bytes = b"", *, attached: str = "") -> Reply:
        """Have a command run, given as text for a shell on one line; return what will have its result."""
        name = attached or self.name()
        with self._lock:
            reply = self._replies[name] = Reply(name)
            frames = self._clearing()
            for start in range(0, len(stdin), _BLOCK):
                block = stdin[start : start + _BLOCK]
                frames += b"i %s %d\n%s" % (name.encode(), len(block), block)
            frames += b"%s %s %s\n" % (b"s" if attached else b"r", name.encode(), text.encode(errors="surrogateescape"))
        self._send(frames, reply)
        return reply

    def ask(self, kind: str, text: str = "") -> Reply:
        """Ask the foreman itself for something that it answers."""
        reply = Reply(self.name("l"))
        with self._lock:
            self._replies[reply.name] = reply
        self._send(f"{kind} {reply.name} {text}\n".encode(errors="surrogateescape"), reply)
        return reply

    def cancel(self, reply: Reply, kill: bool = False) -> None:
        """End a command's process group, at first politely."""
        self._frames.put(f"k {reply.name} {'USR2' if kill else 'TERM'}\n".encode())

    def expect(self, interval: float, limit: float) -> None:
        """Send signs of life every ``interval`` seconds from now on, and have the host count as gone after ``limit``."""
        self._heard = now()
        self.interval, self.limit = interval, limit
        self._frames.put(b"")

    def end(self) -> None:
        """End the shell and all that it runs, without waiting for it."""
        if self.alive:
            with contextlib.suppress(Exception):
                self._channel.settimeout(1.0)
                self._channel.send(b"q\n")
        self._gone()

    def _clearing(self) -> bytes:
        done, self._done = self._done, []
        return b"".join(b"d %s\n" % name.encode() for name in done)

    def _send(self, frames: bytes, reply: Reply) -> None:
        if not self.alive:
            reply.lose()
        self._frames.put(frames)

    def _write(self) -> None:
        try:
            while self.alive:
                try:
                    frames = self._frames.get(timeout=self.interval)
                except queue.Empty:
                    frames = b""
                if not frames:
                    name = self.name("p")
                    self._pings[name] = now()
                    frames = b"p %s\n" % name.encode()
                self._channel.sendall(frames)
        except (OSError, EOFError):
            self._gone()

    def _read(self) -> None:
        channel = self._channel
        while self.alive:
            self._woken.wait(min(1.0, self.limit / 4))
            self._woken.forget()
            heard = False
            while channel.recv_stderr_ready():
                heard = True
                self._parser.feed_errors(channel.recv_stderr(_BLOCK))
            while channel.recv_ready():
                heard = True
                self._parser.feed(channel.recv(_BLOCK))
            if heard:
                self._heard = now()
                self._deliver()
            over = channel.closed or channel.eof_received
            if (over and not channel.recv_ready()) or now() - self._heard > self.limit:
                self._gone()

    def _deliver(self) -> None:
        if self._parser.greeting is not None:
            self._ready.set()
        for name in self._parser.pongs():
            self.beat = max(self.beat, self._pings.pop(name, self.beat))
        for note in self._parser.results():
            reply = self._replies.get(note.name)
            if reply is not None and reply.take(note):
                with self._lock:
                    del self._replies[note.name]
                    if note.kind == "R":
                        self._done.append(note.name)

    def _gone(self) -> None:
        with self._lock:
            was, self.alive = self.alive, False
            replies, self._replies = list(self._replies.values()), {}
        if was:
            self._frames.put(b"")
            with contextlib.suppress(Exception):
                self._channel.close()
            self._ready.set()
            for reply in replies:
                reply.lose()
            self._lost()


class Woken:
    """Be told by both buffers of a channel that something came; one of them running dry says nothing about the other."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self.wait, self.forget = self._event.wait, self._event.clear

    def set(self) -> None:
        """Be told."""
        self._event.set()

    def clear(self) -> None:
        """Be told that one buffer is empty."""


@cache
def program() -> str:
    """Return the foreman's program without its comments."""
    lines = Path(__file__).with_name("foreman.sh").read_text().splitlines()
    return "\n".join(line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#"))


def quoted(text: str) -> str:
    """Return text without single quotes as one word for whatever login shell there is."""
    return "'" + text + "'"


def words(argv: tuple[str, ...]) -> str:
    """Return words for a shell, on one line whatever they hold."""
    return " ".join(word(w) for w in argv)


def word(text: str) -> str:
    """Return one word for the foreman's shell; a newline becomes its variable, since frames are lines."""
    return '"$nl"'.join(map(shlex.quote, text.split("\n")))
