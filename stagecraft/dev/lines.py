"""Cut a byte stream into whole lines, and make them fit for a shared log."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable

#: Characters of one line that are held at most; a longer line is cut, so that no output can fill the memory.
LONGEST = 1 << 17

_ESCAPE = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]*(?:\x07|\x1b\\)?|[PX^_][^\x1b\n]*(?:\x1b\\)?|[ -/]*[0-~])"
)
_COLOR = re.compile(r"\x1b\[[0-9;:]*m")
_STRAY = re.compile(r"\x1b(?!\[[0-9;:]*m)")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f\x80-\x9f]")
_RESET = "\x1b[0m"


class Cutter:
    """Collect bytes and give back whole lines.

    Args:
        scrub: Masks secrets. It sees a line that is too long before it is cut, so that no secret is cut in two and missed.
    """

    def __init__(self, scrub: Callable[[str], str]) -> None:
        self._scrub = scrub
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._rest = ""

    def feed(self, data: bytes) -> str | None:
        """Return the lines that ``data`` completes, joined by line feeds; None if it completes none."""
        head, found, self._rest = (self._rest + self._decode(data)).rpartition("\n")
        if len(self._rest) <= LONGEST:
            return self._scrub(head) if found else None
        self._rest = self._scrub(self._rest)
        cut, self._rest = self._rest[: LONGEST // 2], self._rest[LONGEST // 2 :]
        return self._scrub(head) + "\n" + cut if found else cut

    def flush(self) -> str | None:
        """Return a last line without its end, if there is one."""
        rest, self._rest = self._rest + self._decode(b"", True), ""
        return self._scrub(rest) if rest else None


def tidy(text: str) -> str:
    """Return lines that stay lines: colours kept, cursor movements, titles and bells taken out, of overwritten text the last."""
    if "\r" in text:
        text = "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))
    if "\x1b" in text:
        text = _STRAY.sub("", _ESCAPE.sub(lambda found: found[0] if _COLOR.fullmatch(found[0]) else "", text))
        text = "\n".join(line + _RESET if "\x1b" in line else line for line in text.split("\n"))
    return _CONTROL.sub("", text)


def plain(text: str) -> str:
    """Return tidied text without its colours."""
    return _COLOR.sub("", text) if "\x1b" in text else text
