"""Serve HTTP with the standard library, and stop without losing what was asked.

On SIGTERM the server takes the connections that wait, answers their requests, ends idle connections, and returns.
"""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import sys
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

DRAIN_SECONDS = 8.0
"""How long requests under way may take after SIGTERM; shorter than `stop_grace_period` in docker-compose.yml."""


class Server(ThreadingHTTPServer):
    """Keep the open connections, and whether each has a request under way."""

    request_queue_size = 128
    daemon_threads = True

    def __init__(self, port: int, handler: type[Handler]) -> None:
        super().__init__(("", port), handler)
        self.connections: dict[socket.socket, bool] = {}
        self.lock = threading.Lock()
        self.draining = False
        self.queue_empty = False

    def handle_timeout(self) -> None:
        """Note that no connection waits; called by `handle_request` while draining."""
        self.queue_empty = True

    def drain(self) -> None:
        """Take the connections that wait, refuse new ones, and wait until all requests are answered."""
        self.draining = True
        self.timeout = 0
        while not self.queue_empty:
            self.handle_request()
        self.socket.close()
        deadline = time.monotonic() + DRAIN_SECONDS
        while self.connections and time.monotonic() < deadline:
            with self.lock:
                idle = [connection for connection, busy in self.connections.items() if not busy]
            for connection in idle:
                # ends the wait for a next request; one that has already come is still read and answered
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RD)
            time.sleep(0.02)


class Handler(BaseHTTPRequestHandler):
    """Answer requests on connections that stay open. Methods `do_GET` and `do_POST` come from each service."""

    server: Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # headers and body leave in one packet
    timeout = 60

    def setup(self) -> None:
        """Register the connection."""
        super().setup()
        self._set_busy(False)

    def finish(self) -> None:
        """Forget the connection."""
        try:
            super().finish()
        finally:
            with self.server.lock:
                self.server.connections.pop(self.connection, None)

    def parse_request(self) -> bool:
        """Mark the connection as busy: the first line of a request has come."""
        self._set_busy(True)
        return super().parse_request()

    def handle_one_request(self) -> None:
        """Answer one request and mark the connection as idle."""
        try:
            super().handle_one_request()
        except ConnectionError:
            self.close_connection = True
        self._set_busy(False)

    def reply(self, status: int, body: bytes, content_type: str, headers: Mapping[str, str] | None = None) -> None:
        """Send a whole response."""
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if self.server.draining:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        self.wfile.write(body)

    def reply_json(self, status: int, value: Any) -> None:
        """Send a value as JSON."""
        self.reply(status, json.dumps(value).encode() + b"\n", "application/json", {"Cache-Control": "no-store"})

    def body(self, limit: int) -> bytes | None:
        """Return the request's body, or None if its length is not given or over `limit` bytes."""
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > limit:
            self.close_connection = True  # what follows on this connection is a body nobody reads
            return None
        return self.rfile.read(int(length))

    def log_message(self, format: str, *args: Any) -> None:
        """Write a line per request, without those of the health check."""
        if getattr(self, "path", "") != "/healthz":
            print(format % args, flush=True)

    def _set_busy(self, busy: bool) -> None:
        with self.server.lock:
            self.server.connections[self.connection] = busy


def serve(handler: type[Handler], port: int) -> None:
    """Serve until SIGTERM or SIGINT, then drain."""
    server = Server(port, handler)
    for number in (signal.SIGTERM, signal.SIGINT):
        # shutdown() waits for the loop below to end, so it cannot run in the signal handler itself
        signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
    print(f"listening on port {port}", flush=True)
    server.serve_forever(poll_interval=0.05)
    server.drain()
    print("stopped: time was up" if server.connections else "stopped: every request was answered", flush=True)
    sys.exit(0)
