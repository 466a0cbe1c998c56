"""Write to stdout and stderr, scrubbed. With JSON, stdout carries documents alone and words go to stderr."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterable
from typing import Any, TextIO

from stagecraft_hookspecs.errors import ProviderError

from stagecraft.output.scrub import Scrubber


class Sink:
    """Write lines, documents and errors.

    Args:
        json: Documents on stdout, words on stderr.
        color: Whether colour may be used where the stream is a terminal; None asks the environment (``NO_COLOR``).
        verbose: Whether ``debug`` lines are shown.
    """

    def __init__(
        self, out: TextIO, err: TextIO, *, json: bool = False, color: bool | None = None, verbose: bool = False
    ) -> None:
        self.out, self.err = out, err
        self.json, self.verbose = json, verbose
        self.scrub = Scrubber()
        self._color = color is not False and not os.environ.get("NO_COLOR")
        self._lock = threading.Lock()

    @property
    def words(self) -> TextIO:
        """Return the stream for words."""
        return self.err if self.json else self.out

    @property
    def live(self) -> bool:
        """Tell whether words go to a terminal that can be drawn on."""
        return self.words.isatty() and os.environ.get("TERM", "") not in ("", "dumb")

    @property
    def color(self) -> bool:
        """Tell whether colour is wanted where a stream is a terminal."""
        return self._color

    def style(self, text: str, code: str, stream: TextIO | None = None) -> str:
        """Return the text in an SGR style (``31``, ``1``) where the stream is a terminal and colour is wanted."""
        target = stream or self.words
        return f"\x1b[{code}m{text}\x1b[0m" if self._color and target.isatty() else text

    def say(self, text: str = "") -> None:
        """Print a line for people."""
        self._write(self.words, text + "\n")

    def page(self, text: str) -> None:
        """Print on stdout what was asked for by itself: a help, a version."""
        self._write(self.out, text + "\n")

    def tell(self, text: str = "") -> None:
        """Print a line about a run that goes on: a reader that has gone, or a full disk behind ``>``, must not stop it."""
        self._attempt(self.words, text + "\n")

    def note(self, text: str) -> None:
        """Print a line on stderr, whatever the mode; that nobody reads it changes nothing."""
        self._attempt(self.err, text + "\n")

    def emit(self, document: Any, *, line: bool = False, sort: bool = False) -> None:
        """Print a JSON document on stdout; ``line`` prints it as one line of JSON lines, ``sort`` with sorted keys."""
        import json

        indent = None if line else 2
        text = json.dumps(document, ensure_ascii=not self._unicode, indent=indent, sort_keys=sort, default=str)
        self._write(self.out, text + "\n")

    def emit_lines(self, documents: Iterable[Any]) -> None:
        """Print JSON documents on stdout, each as one line, all at once."""
        import json

        text = "".join(json.dumps(d, ensure_ascii=not self._unicode, default=str) + "\n" for d in documents)
        self._write(self.out, text)

    @property
    def _unicode(self) -> bool:
        return (getattr(self.out, "encoding", None) or "utf-8").lower().replace("-", "") == "utf8"

    def _write(self, stream: TextIO, text: str) -> None:
        try:
            with self._lock:
                stream.write(self.scrub(text))
                stream.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            hush(stream)
            raise ProviderError(
                f"cannot write the output: {error.strerror}", hint="look at what the output is redirected to"
            ) from error

    def _attempt(self, stream: TextIO, text: str) -> None:
        try:
            self._write(stream, text)
        except (OSError, ProviderError):
            hush(stream)


def hush(stream: TextIO) -> None:
    """Send what is still buffered, and what follows, nowhere; Python would fail on it at its exit."""
    with contextlib.suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(null, stream.fileno())
        finally:
            os.close(null)
