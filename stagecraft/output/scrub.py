"""Take known secret values, and the forms in which they usually leak, out of text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stagecraft_hookspecs.values import Secret

MASK = "********"

#: Shorter values, numbers and common words are never printed on purpose, but are not searched for either: masking ``80`` or
#: ``true`` wherever it stands would make every line unreadable and would tell the value by its absence.
SHORTEST = 6
_PLAIN = re.compile(
    r"[0-9.]+|true|false|production|staging|development|debug|info|warning|error"
    r"|(?:https?://)?(?:localhost|127\.0\.0\.1|\[::1\])(?::\d+)?/?",
    re.IGNORECASE,
)


class Scrubber:
    """Hold the secret values of one run. It only ever grows."""

    def __init__(self) -> None:
        self._values: set[str] = set()
        # one attribute, so that a thread that prints while another adds sees both of the former or both of the new
        self._search: tuple[tuple[str, ...], re.Pattern[str]] | None = None

    def add(self, secrets: Iterable[Secret]) -> None:
        """Search for these secrets from now on."""
        for secret in secrets:
            self._values.update(forms(secret.reveal()))
        ordered = tuple(sorted(self._values, key=lambda value: (-len(value), value)))
        self._search = (ordered, re.compile("|".join(map(re.escape, ordered)))) if ordered else None

    def __call__(self, text: str) -> str:
        """Return the text with every known form of every secret masked."""
        if self._search is None:
            return text
        values, pattern = self._search
        # looking for each by itself is ten times as fast as the pattern is, and most text holds none
        return pattern.sub(MASK, text) if any(value in text for value in values) else text


def forms(value: str) -> Iterator[str]:
    """Yield the forms to search for: itself, line by line, base64 at each of the three alignments, URL, JSON, shell, hex."""
    if len(value) < SHORTEST or _PLAIN.fullmatch(value):
        return
    import base64
    import json
    import shlex
    import urllib.parse

    raw = value.encode()
    yield value
    yield from (line for line in value.splitlines() if len(line) >= SHORTEST and not _PLAIN.fullmatch(line))
    for coded in (
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
        urllib.parse.quote(value),
        urllib.parse.quote(value, safe=""),
        urllib.parse.quote_plus(value),
        shlex.quote(value).strip("'"),
        raw.hex(),
    ):
        if len(coded) >= SHORTEST:
            yield coded
    for shift in range(3):
        # the characters that do not depend on what stands before or after the value
        coded = base64.b64encode(b"\0" * shift + raw).decode().rstrip("=")
        inner = coded[-(-shift * 8 // 6) : len(coded) - (1 if (shift + len(raw)) % 3 else 0)]
        if len(inner) >= SHORTEST:
            yield inner
            yield inner.replace("+", "-").replace("/", "_")
