"""HTTP/1.1, as far as the laboratory speaks it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping


def head_of(data: bytes) -> tuple[str, dict[str, str]]:
    """Return the first line and the headers, names in lower case."""
    first, *lines = data.decode("latin-1").split("\r\n")
    return first, {k.strip().lower(): v.strip() for k, _, v in (line.partition(":") for line in lines if line)}


async def body_of(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    if headers.get("transfer-encoding", "") == "chunked":
        whole = b""
        while size := int((await reader.readline()).split(b";")[0], 16):
            whole += await reader.readexactly(size)
            await reader.readline()
        await reader.readline()
        return whole
    return await reader.readexactly(int(headers.get("content-length", "0")))
