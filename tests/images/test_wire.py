"""The wire compresses what gets there sooner compressed, and only that."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator

import pytest

from stagecraft.images.wire import Wire

PIECE = 1 << 18
TEXT = (b"a line that occurs again and again, with number %d\n" * (PIECE // 50))[:PIECE]


class Clock:
    """A clock that only sending moves; compressing takes no time on it."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def send(pieces: list[bytes], rate: float) -> list[bytes]:
    """Send pieces over a wire of so many bytes a second; return the members."""
    clock, members = Clock(), []
    for member in Wire(clock).squeeze(iter(pieces)):
        clock.now += len(member) / rate
        members.append(member)
    return members


def stored(members: list[bytes]) -> Iterator[bool]:
    return (len(member) >= PIECE for member in members)


@pytest.mark.parametrize("rate", [1e6, 1e12])
def test_what_arrives_is_what_was_sent(rate: float) -> None:
    pieces = [TEXT, os.urandom(PIECE), b"", TEXT, b"x"]

    assert gzip.decompress(b"".join(send(pieces, rate))) == b"".join(pieces)


def test_a_slow_wire_gets_compressed_pieces_once_it_is_known_to_be_slow() -> None:
    assert list(stored(send([TEXT] * 6, rate=1e6))) == [True, *[False] * 5]


def test_a_fast_wire_gets_them_as_they_are_with_next_to_nothing_added() -> None:
    members = send([TEXT] * 6, rate=1e12)

    assert all(stored(members))
    assert sum(map(len, members)) < 1.001 * 6 * PIECE


def test_what_cannot_be_compressed_is_stored_and_not_tried_again_for_a_while() -> None:
    members = send([os.urandom(PIECE) for _ in range(12)], rate=1e6)

    assert all(stored(members))
    assert sum(map(len, members)) < 1.001 * 12 * PIECE
