"""Read a database's URL. No message or repr here ever holds a part of one that could be a password."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import attrs
from stagecraft_hookspecs.errors import ToolMissing, UserError

if TYPE_CHECKING:
    from stagecraft_hookspecs.migration import Database

_SCHEMES = {
    "sqlite": "sqlite", "postgresql": "postgresql", "postgres": "postgresql", "mysql": "mysql", "mariadb": "mysql",
}  # fmt: skip
_EXAMPLES = "sqlite:///data.db, postgresql://user:password@host/name or mysql://user:password@host/name"


@attrs.frozen
class Target:
    """Say what a URL points at.

    Attributes:
        dialect: ``sqlite``, ``postgresql`` or ``mysql``.
        label: What messages call the database: its name in the configuration.
        url: The URL with its scheme made plain.
        path: SQLite: as written, relative to the project's folder or absolute.
        options: The query's parameters, decoded.
    """

    dialect: str
    label: str
    url: str = attrs.field(repr=False)
    host: str = attrs.field(default="", repr=False)
    port: int = attrs.field(default=0, repr=False)
    user: str = attrs.field(default="", repr=False)
    password: str = attrs.field(default="", repr=False)
    path: str = attrs.field(default="", repr=False)
    options: Mapping[str, str] = attrs.field(factory=dict, repr=False)


def parse(database: Database) -> Target:
    """Read ``database.url``. Raises UserError."""
    from urllib.parse import parse_qsl, unquote, urlsplit

    url = database.url.reveal().strip()
    scheme, separator, rest = url.partition("://")
    dialect = _SCHEMES.get(scheme.lower().partition("+")[0], "")
    if not separator or not dialect:
        what = f"the scheme {scheme!r}" if separator and scheme.isalnum() else "a text that is no URL"
        raise UserError(f"the URL of database {database.name!r} has {what}", hint=f"write {_EXAMPLES}")
    try:
        query = rest.partition("?")[2].partition("#")[0]
        options = dict(parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query)))
        if dialect == "sqlite":
            return Target(dialect, database.name, url, path=_sqlite_path(rest), options=options)
        plain = f"{dialect}://{rest}"
        if dialect == "postgresql":  # libpq reads the rest: several hosts, sockets, services
            return Target(dialect, database.name, plain, options=options)
        parts = urlsplit(plain)
        return Target(
            dialect,
            database.name,
            plain,
            host=unquote(parts.hostname or ""),
            port=parts.port or 0,
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
            path=unquote(parts.path.lstrip("/")),
            options=options,
        )
    except ValueError:  # its text may hold the password
        hint = "percent-encode special characters of the password: @ is %40, / is %2F, # is %23, % is %25"
        raise UserError(f"the URL of database {database.name!r} cannot be read", hint=hint) from None


def driver_missing(module: str, extra: str) -> ToolMissing:
    """Return the error for a driver that is not installed."""
    return ToolMissing(
        f"the database driver {module} is not installed", hint=f"pip install 'stagecraft-raw-sql[{extra}]'"
    )


def _sqlite_path(rest: str) -> str:
    from urllib.parse import unquote

    path = unquote(rest.partition("?")[0])
    if not path.startswith("/"):
        raise ValueError("three slashes")
    return path[1:]
