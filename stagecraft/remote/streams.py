"""Attach to a command's three streams through a session of their own; the command is the foreman's child like any other."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from stagecraft_hookspecs.errors import ProviderError

from stagecraft.machine.process import Lines
from stagecraft.remote import commands
from stagecraft.remote.quoting import quoted
from stagecraft.remote.woken import Woken

if TYPE_CHECKING:
    from stagecraft_hookspecs.values import Command

    from stagecraft.remote.connection import Connection
    from stagecraft.remote.foreman import Foreman
    from stagecraft.remote.results import Reply

_BLOCK = 1 << 16
#: Seconds that a daemon which keeps a stream open may hold up a command that has ended.
LINGER = 1.0
_START = 20.0
# The mark divides what the command writes from what a login shell may have printed. The session ends with the command's output,
# also where nobody has closed its input.
_ENDS = (
    'mkfifo "$1.fi" "$1.fo" "$1.fe" || exit; printf "\\n%s\\n" "$2"; printf "\\n%s\\n" "$2" >&2; exec 3<&0; '
    'cat <&3 3<&- >"$1.fi" 2>/dev/null & i=$!; cat "$1.fe" >&2 3<&- & e=$!; cat "$1.fo" 3<&-; wait $e; kill $i 2>/dev/null'
)


class Stream:
    """Run a command and hold its streams. Use it as a context; leaving it ends the command.

    Attributes:
        reply: Will have the exit code.
    """

    reply: Reply

    def __init__(self, connection: Connection, foreman: Foreman, command: Command) -> None:
        self._connection, self._foreman, self._command = connection, foreman, command
        self._stack = contextlib.ExitStack()
        self._woken = Woken()
        self._out, self._err = _Marked(), _Marked()

    def __enter__(self) -> Stream:
        text = commands.line(self._command)
        self._channel = self._stack.enter_context(self._connection.session())
        try:
            name, mark = self._foreman.name("s"), self._foreman.nonce
            self._out.mark = self._err.mark = f"\n{mark}\n".encode()
            self._channel.in_buffer.set_event(self._woken)
            self._channel.in_stderr_buffer.set_event(self._woken)
            path = f"{self._foreman.folder}/{name}"
            self._channel.exec_command(f"exec /bin/sh -c {quoted(_ENDS)} sh {path} {mark}")
            self._await_mark()
            self.reply = self._foreman.run(text, attached=name)
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        try:
            if self.reply.code is None and not self.reply.lost:
                self._foreman.cancel(self.reply)
        finally:
            self._stack.close()

    @property
    def ended(self) -> bool:
        """Tell whether there is nothing left to read."""
        channel = self._channel
        over = channel.closed or channel.eof_received
        return over and not channel.recv_ready() and not channel.recv_stderr_ready()

    def send(self, data: bytes) -> None:
        """Write to the command's standard input; raises OSError when it no longer reads."""
        for start in range(0, len(data), _BLOCK):
            self._foreman.give_way()
            self._channel.sendall(data[start : start + _BLOCK])

    def send_end(self) -> None:
        """Close the command's standard input."""
        with contextlib.suppress(OSError, EOFError):
            self._channel.shutdown_write()

    def wake(self) -> None:
        """Have ``receive`` return."""
        self._woken.set()

    def receive(self, seconds: float) -> tuple[bytes, bytes]:
        """Return what has come on standard output and standard error, waiting up to ``seconds`` for some."""
        self._woken.wait(seconds)
        self._woken.forget()
        out = err = b""
        while self._channel.recv_ready():
            out += self._out.take(self._channel.recv(_BLOCK))
        while self._channel.recv_stderr_ready():
            err += self._err.take(self._channel.recv_stderr(_BLOCK))
        return out, err

    def _await_mark(self) -> None:
        until = time.monotonic() + _START
        early = b""
        while not (self._out.found and self._err.found):
            early += b"".join(self.receive(0.2))
            if self.ended or time.monotonic() > until:
                if not self._foreman.alive and self._connection.leased is self._foreman:
                    raise self._connection.fenced()
                raise ProviderError(
                    f"{self._connection.host.name} gave no session for the output of {self._command.argv[0]}",
                    hint="check that the host is up and has space left for temporary files",
                )


def attached(
    connection: Connection,
    foreman: Foreman,
    command: Command,
    given: bytes,
    on_line: Callable[[str], None] | None,
    wait: Callable[[Foreman, Reply, Command, float, float], bool],
) -> tuple[bytes, bytes, Reply]:
    """Run a command whose input is large or whose output is wanted line by line; return its output and its result."""
    started = time.monotonic()
    out, err = bytearray(), bytearray()
    lines = Lines(on_line) if on_line else None
    with Stream(connection, foreman, command) as stream:
        feeder = threading.Thread(target=_feed, args=(stream, given), daemon=True)
        feeder.start()
        over = 0.0
        while not stream.ended and not (over and time.monotonic() - over > LINGER):
            data, errors = stream.receive(0.05)
            out += data
            err += errors
            if lines:
                lines.feed("stdout", data)
                lines.feed("stderr", errors)
            if wait(foreman, stream.reply, command, started, 0.0) and not over:
                over = time.monotonic()
        while not wait(foreman, stream.reply, command, started, 0.05):
            pass
    if lines:
        lines.flush()
    return bytes(out), bytes(err), stream.reply


def _feed(stream: Stream, data: bytes) -> None:
    with contextlib.suppress(OSError, EOFError):
        view = memoryview(data)
        for start in range(0, len(view), _BLOCK):
            stream.send(bytes(view[start : start + _BLOCK]))
        stream.send_end()


class _Marked:
    """Leave out what comes before the mark."""

    def __init__(self) -> None:
        self.mark = b""
        self.found = False
        self._early = b""

    def take(self, data: bytes) -> bytes:
        if self.found:
            return data
        self._early += data
        _, mark, rest = self._early.partition(self.mark)
        self.found = bool(mark)
        return rest
