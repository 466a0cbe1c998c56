"""Cut what a foreman sends into results; whatever a login shell printed before its greeting is noise."""

from __future__ import annotations

import threading

import attrs

_SIGNALS = 64


@attrs.frozen
class Note:
    """Hold one frame: a command's result (``R``), why it could not start (``N``), or an answer about the lock (``L``)."""

    kind: str
    name: str
    code: int = 0
    text: str = ""
    stdout: bytes = b""
    stderr: bytes = b""


class Reply:
    """Wait for a result.

    Attributes:
        code: Exit code, or the negative number of the signal that ended the command; None while there is no result.
        cannot: Why the command could not start.
        lost: Whether the shell ended before there was a result.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.code: int | None = None
        self.text = self.cannot = ""
        self.stdout = self.stderr = b""
        self.lost = False
        self._event = threading.Event()

    def wait(self, seconds: float) -> bool:
        """Tell whether the result has come within ``seconds``."""
        return self._event.wait(seconds)

    def take(self, note: Note) -> bool:
        """Take a frame; tell whether it was the last."""
        if note.kind == "N":
            self.cannot = note.text
            return False
        # the shell there says 128 and the signal's number
        self.code = 128 - note.code if 128 < note.code <= 128 + _SIGNALS else note.code
        self.text, self.stdout, self.stderr = note.text, note.stdout, note.stderr
        self._event.set()
        return True

    def lose(self) -> None:
        """Give up waiting: there will be no result."""
        self.lost = True
        self._event.set()


class Parser:
    """Take bytes as they come.

    Attributes:
        greeting: The words of the greeting, once it has come.
    """

    def __init__(self, nonce: str) -> None:
        self._nonce = nonce
        self._mark = f"\n{nonce} ".encode()
        self._data, self._errors = bytearray(), bytearray()
        self._notes: list[Note] = []
        self._pongs: list[str] = []
        self._header: list[str] = []
        self._need = 0
        self.greeting: list[str] | None = None
        self._noise = bytearray()

    def feed(self, data: bytes) -> None:
        """Take bytes of standard output."""
        self._data += data
        if self.greeting is None:
            self._greet()
        while self.greeting is not None and self._step():
            pass

    def feed_errors(self, data: bytes) -> None:
        """Take bytes of standard error: answers to signs of life, and what a login shell prints."""
        self._errors += data
        *lines, rest = self._errors.split(b"\n")
        self._errors = bytearray(rest)
        for line in lines:
            nonce, _, name = line.decode(errors="replace").partition(" ")
            if nonce == self._nonce:
                self._pongs.append(name)
            elif self.greeting is None:
                self._noise += line + b"\n"

    @property
    def noise(self) -> str:
        """Return what was printed instead of a greeting."""
        return (self._noise + self._data + self._errors).decode(errors="replace").strip()

    def pongs(self) -> list[str]:
        """Return the signs of life that were answered."""
        found, self._pongs = self._pongs, []
        return found

    def results(self) -> list[Note]:
        """Return the frames that are complete."""
        found, self._notes = self._notes, []
        return found

    def _greet(self) -> None:
        at = self._data.find(self._mark)
        end = self._data.find(b"\n", at + 1) if at >= 0 else -1
        if end < 0:
            # the mark may be cut in two
            keep = 0 if at >= 0 else max(0, len(self._data) - len(self._mark))
            self._noise += self._data[:keep]
            del self._data[:keep]
            return
        line = self._data[at + len(self._mark) : end].decode(errors="surrogateescape")
        self.greeting = line.split(" ", 3) if line.startswith("1") else line.split(" ", 1)
        del self._data[: end + 1]

    def _step(self) -> bool:
        if not self._header:
            end = self._data.find(b"\n")
            if end < 0:
                return False
            self._header = self._data[:end].decode(errors="surrogateescape").split(" ", 4)
            del self._data[: end + 1]
            self._need = int(self._header[3]) + int(self._header[4]) if self._header[0] == "R" else 0
        if len(self._data) < self._need:
            return False
        kind, name, *rest = self._header
        if kind == "R":
            out = int(rest[1])
            body = bytes(self._data[: self._need])
            self._notes.append(Note(kind, name, int(rest[0]), "", body[:out], body[out:]))
        elif kind == "N":
            self._notes.append(Note(kind, name, text=" ".join(rest).strip()))
        else:
            self._notes.append(Note(kind, name, int(rest[0]), " ".join(rest[1:]).strip()))
        del self._data[: self._need]
        self._header, self._need = [], 0
        return True
