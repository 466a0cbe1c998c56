"""Speak with a host's foreman: frames out by one thread, results in by another, nobody waits for the network with a lock."""

from __future__ import annotations

import contextlib
import queue
import secrets
import threading
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from stagecraft_hookspecs.errors import ProviderError, ToolMissing

from stagecraft.remote.quoting import quoted
from stagecraft.remote.results import Parser, Reply
from stagecraft.remote.ssh import now
from stagecraft.remote.woken import Woken

if TYPE_CHECKING:
    from paramiko import Channel

_BLOCK = 1 << 16
_GREETING = 20.0
#: Seconds for which other traffic of the connection lets a frame of up to so many bytes go first.
_PRECEDENCE, _SMALL = 1.0, 1 << 14


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
        cut: Whether it ended because the connection did.
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
        self._answered = threading.Event()
        self._free = threading.Event()
        self._free.set()
        self._woken = Woken()
        self.folder = self.home = ""
        self.alive, self.cut = True, False
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
            self.end()
            if self.cut:
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
            frames = [self._clearing()] if self._done else []
            for start in range(0, len(stdin), _BLOCK):
                block = stdin[start : start + _BLOCK]
                frames.append(b"i %s %d\n%s" % (name.encode(), len(block), block))
            line = b"%s %s %s\n" % (b"s" if attached else b"r", name.encode(), text.encode(errors="surrogateescape"))
        # signs of life may come between two frames of large input, not between small ones, which leave in one packet
        self._send([*frames, line] if stdin else [b"".join([*frames, line])], reply)
        return reply

    def ask(self, kind: str, text: str = "") -> Reply:
        """Ask the foreman itself for something that it answers."""
        reply = Reply(self.name("l"))
        with self._lock:
            self._replies[reply.name] = reply
        self._send([f"{kind} {reply.name} {text}\n".encode(errors="surrogateescape")], reply)
        return reply

    def cancel(self, reply: Reply, kill: bool = False) -> None:
        """End a command's process group, at first politely."""
        self._frames.put(f"k {reply.name} {'USR2' if kill else 'TERM'}\n".encode())

    def expect(self, interval: float, limit: float) -> None:
        """Send signs of life every ``interval`` seconds from now on, and have the host count as gone after ``limit``."""
        self._heard = now()
        self.interval, self.limit = interval, limit
        self._frames.put(b"")

    def confirmed(self, age: float) -> bool:
        """Tell whether the host has answered a sign of life that is at most ``age`` seconds old, giving a late answer some time."""
        until = now() + age
        while self.alive and self.beat <= now() - age and now() < until:
            self._answered.clear()
            self._frames.put(b"")
            self._answered.wait(0.5)
        return self.alive and self.beat > now() - age

    def give_way(self) -> None:
        """Let a frame that waits to be sent go first; for whoever sends much over the same connection."""
        self._free.wait(_PRECEDENCE)

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

    def _send(self, frames: Iterable[bytes], reply: Reply) -> None:
        if not self.alive:
            reply.lose()
        for frame in frames:
            self._frames.put(frame)

    def _write(self) -> None:
        due = now() + self.interval
        try:
            while self.alive:
                try:
                    frame = self._frames.get(timeout=max(0.0, min(due - now(), self.interval)))
                except queue.Empty:
                    frame = b""
                # however many frames there are, signs of life go between them
                if not frame or now() >= due:
                    name = self.name("p")
                    self._pings[name] = now()
                    frame = b"p %s\n%s" % (name.encode(), frame)
                    due = now() + self.interval
                if len(frame) <= _SMALL:
                    self._free.clear()
                self._channel.sendall(frame)
                self._free.set()
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
            ended = channel.eof_received
            if ((ended or channel.closed) and not channel.recv_ready()) or now() - self._heard > self.limit:
                self.cut = not ended
                self._gone()

    def _deliver(self) -> None:
        if self._parser.greeting is not None:
            self._ready.set()
        for name in self._parser.pongs():
            self.beat = max(self.beat, self._pings.pop(name, self.beat))
            self._answered.set()
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
            self._answered.set()
            self._free.set()
            for reply in replies:
                reply.lose()
            self._lost()


@cache
def program() -> str:
    """Return the foreman's program without its comments."""
    lines = Path(__file__).with_name("foreman.sh").read_text().splitlines()
    return "\n".join(line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#"))
