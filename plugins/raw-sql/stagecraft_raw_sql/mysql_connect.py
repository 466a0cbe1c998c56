"""What a MySQL or MariaDB URL means for the driver, and how a session is opened with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stagecraft_hookspecs.errors import UserError

if TYPE_CHECKING:
    from pymysql.connections import Connection

    from stagecraft_raw_sql.connect import Target

#: Parameter of the URL, with ``_`` for ``-``, to the driver's argument.
_PARAMETERS = {
    "unix_socket": "unix_socket",
    "socket": "unix_socket",
    "hostaddr": "hostaddr",
    "charset": "charset",
    "connect_timeout": "connect_timeout",
    "ssl_ca": "ssl_ca",
    "sslrootcert": "ssl_ca",
    "ssl_cert": "ssl_cert",
    "sslcert": "ssl_cert",
    "ssl_key": "ssl_key",
    "sslkey": "ssl_key",
    "ssl_mode": "",
    "sslmode": "",
}

#: Mode to the driver's arguments; names of MySQL's clients and of libpq.
_MODES: dict[str, dict[str, Any]] = {
    "disabled": {"ssl_disabled": True},
    "disable": {"ssl_disabled": True},
    "preferred": {},
    "prefer": {},
    "required": {"ssl": {"check_hostname": False, "verify_mode": "none"}},
    "require": {"ssl": {"check_hostname": False, "verify_mode": "none"}},
    "verify_ca": {"ssl_verify_cert": True},
    "verify_identity": {"ssl_verify_cert": True, "ssl_verify_identity": True},
    "verify_full": {"ssl_verify_cert": True, "ssl_verify_identity": True},
}


def connect(target: Target) -> Connection[Any]:
    """Open a connection. With ``hostaddr`` it goes to that address, while the server's name, which TLS compares, stays the URL's.

    Raises UserError for a parameter that nobody knows, and what the driver and the network raise.
    """
    import pymysql

    options = arguments(target)
    address = options.pop("hostaddr", "")
    if not address:
        return pymysql.connect(**options)
    import socket

    connection: Connection[Any] = pymysql.connect(**options, defer_connect=True)
    sock = socket.create_connection((address, options["port"]), timeout=options["connect_timeout"])
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.settimeout(None)
    connection.connect(sock)
    return connection


def arguments(target: Target) -> dict[str, Any]:
    """Return the arguments of the driver's ``connect``. Raises UserError for a parameter that nobody knows."""
    found: dict[str, Any] = {
        "host": target.host or "localhost",
        "port": target.port or 3306,
        "user": target.user or None,
        "password": target.password,
        "database": target.path,
        "charset": "utf8mb4",
        "connect_timeout": 10,
        "autocommit": True,
        "program_name": "stagecraft migrate",
    }
    for name, value in target.options.items():
        key = name.lower().replace("-", "_")
        if key not in _PARAMETERS:
            hint = f"known: {', '.join(sorted(_PARAMETERS))}"
            raise UserError(f"the URL of database {target.label!r} has an unknown parameter {name!r}", hint=hint)
        if _PARAMETERS[key]:
            found[_PARAMETERS[key]] = _number(target, name, value) if key == "connect_timeout" else value
            continue
        mode = value.lower().replace("-", "_")
        if mode not in _MODES:
            hint = f"known: {', '.join(sorted(_MODES))}"
            raise UserError(f"the URL of database {target.label!r} has an unknown {name} {value!r}", hint=hint)
        found.update(_MODES[mode])
    return found


def _number(target: Target, name: str, value: str) -> int:
    if not value.isdecimal():
        message = f"the URL of database {target.label!r} has a {name} that is no number"
        raise UserError(message, hint="write seconds")
    return int(value)
