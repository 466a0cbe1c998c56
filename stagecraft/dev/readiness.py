"""Wait until a process is ready: a URL that answers, a port that accepts, a line that matches."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable

from stagecraft_hookspecs.values import Ready

from stagecraft.dev.ports import accepts

#: Seconds between two looks, and for how long one look may take.
EVERY = 0.1
LOOK = 2.0


class Readiness:
    """Look for one run's readiness in a thread, until it is there, too late, or stopped.

    Args:
        on_ready: Told the seconds it took.
        on_late: Told when the time is up.
    """

    def __init__(self, ready: Ready, on_ready: Callable[[float], None], on_late: Callable[[], None]) -> None:
        self._ready, self._on_ready, self._on_late = ready, on_ready, on_late
        self._pattern = re.compile(ready.line) if ready.line and not ready.url and not ready.port else None
        self._matched, self._stopped = threading.Event(), threading.Event()
        self._began = time.monotonic()

    def start(self) -> None:
        """Begin to look."""
        threading.Thread(target=self._look, name="dev-ready", daemon=True).start()

    def see(self, text: str) -> None:
        """Look at lines of the output."""
        if (
            self._pattern is not None
            and not self._matched.is_set()
            and any(map(self._pattern.search, text.split("\n")))
        ):
            self._matched.set()

    def stop(self) -> None:
        """Look no further."""
        self._stopped.set()
        self._matched.set()

    def _look(self) -> None:
        while not self._stopped.is_set():
            if self._is_ready():
                if not self._stopped.is_set():
                    self._on_ready(time.monotonic() - self._began)
                return
            left = self._ready.timeout - (time.monotonic() - self._began)
            if left <= 0:
                self._on_late()
                return
            self._matched.wait(min(EVERY, left)) if self._pattern else self._stopped.wait(min(EVERY, left))

    def _is_ready(self) -> bool:
        if self._ready.url:
            return answers(self._ready.url)
        if self._ready.port:
            return accepts(self._ready.port)
        return self._pattern is None or self._matched.is_set()


def answers(url: str) -> bool:
    """Tell whether a URL answers with a status below 500. Certificates are not checked: a development server makes its own."""
    import http.client
    import ssl
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(url)
        host, target = parts.hostname or "", (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection: http.client.HTTPConnection
        if parts.scheme == "https":
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            connection = http.client.HTTPSConnection(host, parts.port, timeout=LOOK, context=context)
        else:
            connection = http.client.HTTPConnection(host, parts.port, timeout=LOOK)
        try:
            connection.request("GET", target, headers={"Accept": "*/*"})
            return connection.getresponse().status < 500
        finally:
            connection.close()
    except (OSError, ValueError, http.client.HTTPException):
        return False
