"""Ask a server over its socket whether it is ready, in its own protocol but without its client library."""

from __future__ import annotations

import socket
import struct
from base64 import b64encode
from http.client import HTTPConnection, HTTPException

TIMEOUT = 2.0


def postgres_answers(host: str, port: int, user: str) -> bool:
    """Say whether PostgreSQL at `host`:`port` takes connections.

    Sends a StartupMessage (protocol 3.0): a server that is ready asks for authentication ('R'), one that is
    still starting answers with an error ('E').
    """
    body = struct.pack("!I", 3 << 16) + b"user\0" + user.encode() + b"\0database\0postgres\0\0"
    return _first_bytes(host, port, struct.pack("!I", len(body) + 4) + body, 1) == b"R"


def mariadb_answers(host: str, port: int) -> bool:
    """Say whether MariaDB or MySQL at `host`:`port` takes connections: it greets with protocol version 10."""
    greeting = _first_bytes(host, port, b"", 5)
    return len(greeting) == 5 and greeting[4] == 10


def ssh_answers(host: str, port: int) -> bool:
    """Say whether an SSH server at `host`:`port` takes connections: it greets with its protocol (RFC 4253, 4.2)."""
    return _first_bytes(host, port, b"", 4) == b"SSH-"


def engine_answers(path: str) -> bool:
    """Say whether a Docker engine answers at the unix socket `path`."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(TIMEOUT)
            connection.connect(path)
            connection.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
            return b" 200 " in connection.recv(64)
    except OSError:
        return False


def registry_status(host: str, port: int, user: str = "", password: str = "") -> int | None:
    """Return the status with which the registry at `host`:`port` answers; None if none answers."""
    headers = {"Authorization": f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"} if user else {}
    connection = HTTPConnection(host, port, timeout=TIMEOUT)
    try:
        connection.request("GET", "/v2/", headers=headers)
        return connection.getresponse().status
    except (OSError, HTTPException):
        return None
    finally:
        connection.close()


def _first_bytes(host: str, port: int, request: bytes, count: int) -> bytes:
    received = b""
    try:
        with socket.create_connection((host, port), timeout=TIMEOUT) as connection:
            connection.sendall(request)
            while len(received) < count and (piece := connection.recv(count - len(received))):
                received += piece
    except OSError:
        return b""
    return received
