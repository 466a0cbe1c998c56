"""The guestbook's API: entries in SQLite, as JSON.

GET /entries    the newest 50
POST /entries   {"author": "...", "message": "...", "place": "..."}; place may be left out
GET /healthz    200 while the database can be read
"""

from __future__ import annotations

import json
import os
import sqlite3
from typing import Any

from serving import Handler, serve

LIMITS = {"author": 60, "place": 60, "message": 500}
"""Longest value of each field, in characters."""

BODY_LIMIT = 16 * 1024


class Refused(Exception):
    """A request that is the client's mistake: HTTP status and one sentence."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def database_path(url: str) -> str:
    """Return the file that a URL such as `sqlite:////data/guestbook.db` names; three slashes begin a relative path."""
    prefix = "sqlite:///"
    if not url.startswith(prefix):
        raise SystemExit(f"DATABASE_URL must begin with {prefix}, as in {prefix}/data/guestbook.db")
    return url.removeprefix(prefix)


def connect() -> sqlite3.Connection:
    """Open the database; a writer waits up to 5 seconds for another one."""
    connection = sqlite3.connect(database_path(os.environ.get("DATABASE_URL", "sqlite:///guestbook.db")), timeout=5)
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA journal_mode = WAL")  # readers do not wait for the writer
    return connection


def read_entries() -> list[dict[str, Any]]:
    """Return the newest entries, newest first."""
    query = "SELECT id, author, place, message, created_at FROM entries ORDER BY created_at DESC, id DESC LIMIT 50"
    connection = connect()
    try:
        return [dict(row) for row in connection.execute(query)]
    finally:
        connection.close()


def add_entry(fields: dict[str, str]) -> dict[str, Any]:
    """Store an entry and return it as stored."""
    statement = "INSERT INTO entries (author, place, message) VALUES (:author, :place, :message) RETURNING *"
    connection = connect()
    try:
        with connection:
            return dict(connection.execute(statement, fields).fetchone())
    finally:
        connection.close()


def checked(body: bytes) -> dict[str, str]:
    """Return the fields of a new entry, trimmed, or raise `Refused`."""
    try:
        given = json.loads(body)
    except ValueError:
        raise Refused(400, "the body is not JSON") from None
    if not isinstance(given, dict) or not all(isinstance(given.get(name, ""), str) for name in LIMITS):
        raise Refused(400, "the body must be an object whose author, place and message are strings")
    fields = {name: given.get(name, "").strip() for name in LIMITS}
    for name, limit in LIMITS.items():
        if len(fields[name]) > limit:
            raise Refused(400, f"{name} is longer than {limit} characters")
    for name in ("author", "message"):
        if not fields[name]:
            raise Refused(400, f"{name} is missing")
    return fields


class Api(Handler):
    """Map requests to the functions above, and their errors to statuses."""

    def do_GET(self) -> None:
        """Answer with entries or health."""
        self.answer({"/entries": lambda: (200, read_entries()), "/healthz": lambda: (200, health())})

    def do_POST(self) -> None:
        """Store an entry."""
        body = self.body(BODY_LIMIT)
        if body is None:
            return self.reply_json(413, {"error": f"send a body of at most {BODY_LIMIT} bytes with its Content-Length"})
        return self.answer({"/entries": lambda: (201, add_entry(checked(body)))})

    def answer(self, routes: dict[str, Any]) -> None:
        """Call the route's function and send what it returns."""
        route = routes.get(self.path.partition("?")[0])
        if route is None:
            return self.reply_json(404, {"error": "there is nothing here"})
        try:
            status, value = route()
        except Refused as error:
            status, value = error.status, {"error": str(error)}
        except sqlite3.Error as error:
            print(f"database: {error}", flush=True)
            status, value = 503, {"error": "the database cannot be used at the moment"}
        return self.reply_json(status, value)


def health() -> dict[str, str]:
    """Read from the table, so that a database without its migrations does not count as healthy."""
    connection = connect()
    try:
        connection.execute("SELECT place FROM entries LIMIT 1").fetchone()
    finally:
        connection.close()
    return {"status": "ok"}


if __name__ == "__main__":
    serve(Api, int(os.environ.get("PORT", "8000")))
