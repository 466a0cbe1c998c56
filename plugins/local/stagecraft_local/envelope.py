"""Seal JSON with a schema number and a checksum over the whole file, so that any changed byte is seen.

A sealed file begins ``{"schema": N, "checksum": "sha256:HEX", `` and is one JSON object. The checksum is SHA-256 over
the file's bytes without the 64 digits of HEX. Every later schema keeps this beginning, so that an older reader can tell
"newer" from "damaged".
"""

from __future__ import annotations

from typing import Any

SCHEMA = 1
_MARK = b'"checksum": "sha256:'


class Damaged(Exception):
    """Say at which byte a file is wrong, and how."""

    def __init__(self, offset: int, reason: str) -> None:
        super().__init__(reason)
        self.offset, self.reason = offset, reason


class Newer(Exception):
    """Say that a sound file has a schema that this version does not know."""

    def __init__(self, schema: int) -> None:
        super().__init__(str(schema))
        self.schema = schema


def seal(body: bytes, schema: int = SCHEMA) -> bytes:
    """Return the file for ``body``, the rest of a JSON object without its opening brace: ``"releases": []}``."""
    import hashlib

    head = b'{"schema": %d, ' % schema + _MARK
    tail = b'", ' + body + b"\n"
    return head + hashlib.sha256(head + tail).hexdigest().encode() + tail


def unseal(data: bytes) -> dict[str, Any]:
    """Return the JSON object of a sealed file. Raises Damaged or Newer."""
    import hashlib
    import json

    if not data:
        raise Damaged(0, "it is empty")
    start = data.find(_MARK, 0, 64) + len(_MARK)
    if start < len(_MARK):
        raise Damaged(0, "it does not begin with a schema and a checksum")
    end = start + 64
    if hashlib.sha256(data[:start] + data[end:]).hexdigest().encode() != data[start:end]:
        raise Damaged(_json_fault(data), "its checksum does not match")
    content = json.loads(data)
    if not isinstance(content, dict) or not isinstance(content.get("schema"), int):
        raise Damaged(0, "it has no schema number")
    if content["schema"] > SCHEMA:
        raise Newer(content["schema"])
    return content


def _json_fault(data: bytes) -> int:
    """Return the offset where a damaged file stops being JSON, or -1 where it still is."""
    import json

    try:
        json.loads(data.decode("latin-1"))
    except json.JSONDecodeError as e:
        return e.pos
    return -1
