"""Follow the exchanges on a connection closely enough to know when it is idle, and to ask the client to leave after
one.

The forwarder passes bytes on as they are. To move a keep-alive connection off an instance that is being replaced
without cutting a request, the next response gets ``Connection: close`` (RFC 9112, section 9.6): the client then opens
its next request anew, which the new instance gets. What is not HTTP/1 is recognised by its first bytes and left alone.
"""

from __future__ import annotations

import re

_REQUEST = re.compile(rb"([A-Z]+) \S+ HTTP/1\.[01]\r\n")
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})")
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:[^\r]*chunked", re.IGNORECASE)
_CONNECTION = re.compile(rb"\r\n(?:connection|keep-alive):[^\r]*", re.IGNORECASE)
_UPGRADE = 101


class Exchange:
    """Track one connection. ``http`` is False once it has shown to be something else; ``idle`` is True between two
    exchanges.

    A response whose end cannot be told (neither length nor chunks) never makes the connection idle: it ends with the
    connection.
    """

    __slots__ = ("_chunked", "_head", "_left", "_waiting", "http", "idle", "last")

    def __init__(self) -> None:
        self.http = True
        self.idle = True
        self.last = False
        self._waiting = False
        self._head = False
        self._chunked = False
        self._left = 0

    def request(self, data: bytes) -> None:
        """Note bytes from the client."""
        if not self.http:
            return
        if self.idle:
            match = _REQUEST.match(data)
            if not match:
                self.http = self.idle = False
                return
            self._head = match[1] == b"HEAD"
            self.idle, self._waiting = False, True

    def response(self, data: bytes, *, leave: bool) -> bytes:
        """Note bytes from the instance and return what to send on, with ``Connection: close`` if to ``leave``."""
        if not self.http:
            return data
        size = len(data)
        if self._waiting:
            match = _STATUS.match(data)
            end = data.find(b"\r\n\r\n")
            if not match or end < 0:
                self.http = False  # a head in pieces: rare, and then better left alone
                return data
            status = int(match[1])
            if 100 <= status < 200:
                self.http = status != _UPGRADE
                return data
            head = data[:end]
            self._begin(head, status)
            size -= end + 4
            if leave and not self.last:
                self.last = True
                data = _CONNECTION.sub(b"", head) + b"\r\nConnection: close" + data[end:]
        self._body(data, size)
        return data

    def _begin(self, head: bytes, status: int) -> None:
        self._waiting = False
        length = _LENGTH.search(head)
        self._chunked = bool(_CHUNKED.search(head))
        if self._head or status in (204, 304):
            self._chunked, self._left = False, 0
        elif self._chunked:
            self._left = 1
        else:
            self._left = int(length[1]) if length else -1

    def _body(self, data: bytes, size: int) -> None:
        if self._chunked:
            self.idle = data.endswith(b"0\r\n\r\n")
        elif self._left >= 0:
            self._left -= size
            self.idle = self._left <= 0
            self._left = max(self._left, 0)
