"""Make the maintenance page into an answer that HAProxy can give by itself. All pure."""

from __future__ import annotations

from stagecraft_hookspecs.errors import UserError

#: HAProxy keeps the whole answer in one buffer of 16 KiB.
LARGEST = 14 * 1024
PLAIN = (
    b'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>Back soon</title>\n'
    b"<h1>Back soon</h1>\n<p>This site is being maintained. Please try again in a moment.</p>\n</html>\n"
)


def answer(body: bytes, *, source: str = "") -> bytes:
    """Return an HTTP answer with status 503 and ``body``; raises UserError for a body that is too large."""
    if len(body) > LARGEST:
        message = f"the maintenance page {source} has {len(body)} bytes; HAProxy takes at most {LARGEST}"
        raise UserError(message, hint="leave pictures and styles out of it")
    head = (
        "HTTP/1.1 503 Service Unavailable",
        "Content-Type: text/html; charset=utf-8",
        f"Content-Length: {len(body)}",
        "Cache-Control: no-store",
        "Retry-After: 5",
    )
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body
