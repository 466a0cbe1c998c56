"""Compress what goes over a wire where that gets it there sooner."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Iterable, Iterator

_GZIP = 16 + zlib.MAX_WBITS
_REMEMBERED = 8_000_000  # bytes whose speed counts; more than the buffers on the way hold
_DENSE = 0.95  # of its size that a piece keeps; from here on compression is left alone for a while
_PAUSE = 16  # pieces


class Wire:
    """Know how fast a wire is and how fast this machine compresses, by what went over it.

    The stream is gzip, which every engine takes, in members of a piece each, compressed or stored. So the choice is made anew for
    every piece, and costs 0.01 % where nothing is compressed. Zstandard is faster, but engines before 23.0 do not take it.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._bytes = self._seconds = 0.0
        self._ratio, self._speed = 0.5, 80e6  # a usual layer on a usual machine, until the first piece was measured
        self._pause = 0

    def squeeze(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the pieces as gzip members; the time until the next one is asked for is what sending took."""
        for piece in pieces:
            member = self._compress(piece) if self.pays else _member(piece, 0)
            began = self._clock()
            yield member
            self._note(len(member), self._clock() - began)

    @property
    def pays(self) -> bool:
        """Tell whether the next piece gets there sooner compressed."""
        if self._pause:
            self._pause -= 1
            return False
        if not self._seconds:
            return False
        per_byte = self._seconds / self._bytes
        return 1 / self._speed + self._ratio * per_byte < per_byte

    def _compress(self, piece: bytes) -> bytes:
        began = self._clock()
        member = _member(piece, 1)
        took = max(self._clock() - began, 1e-6)
        self._speed = (self._speed + len(piece) / took) / 2
        ratio = len(member) / max(len(piece), 1)
        if ratio >= _DENSE:
            self._pause = _PAUSE
            return _member(piece, 0)
        self._ratio = (self._ratio + ratio) / 2
        return member

    def _note(self, size: int, seconds: float) -> None:
        self._bytes += size
        self._seconds += seconds
        if self._bytes > _REMEMBERED:
            self._seconds *= _REMEMBERED / self._bytes
            self._bytes = _REMEMBERED


def _member(piece: bytes, level: int) -> bytes:
    packer = zlib.compressobj(level, zlib.DEFLATED, _GZIP)
    return packer.compress(piece) + packer.flush()
