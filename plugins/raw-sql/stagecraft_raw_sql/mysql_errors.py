"""What MySQL's and MariaDB's errors mean, and the next step for each."""

from __future__ import annotations

import re

from stagecraft_hookspecs.errors import ProviderError, StagecraftError

from stagecraft_raw_sql.session import Fault

_LOCK_CODES = frozenset({1205, 1213, 3572})  # lock wait timeout, deadlock, NOWAIT
_LOST_CODES = frozenset({0, 1053, 1927, 2006, 2013, 2014, 2055, 4031, *range(1152, 1162)})
_LINE = re.compile(r" at line (\d+)$")

#: Error number to next step.
_HINTS = {
    1021: "free disk space on the database's server",
    1040: "the server has no connection left: raise max_connections or close some",
    1044: "grant the database's user rights on this database",
    1045: "check user and password in the database's URL",
    1049: "create the database, or correct its name in the URL",
    1114: "free disk space on the database's server",
    1130: "allow this host for the database's user",
    1142: "grant the database's user the right",
    1227: "the statement needs a privilege that the database's user lacks",
    1290: "the server only reads: connect to the primary",
    1792: "the server only reads: connect to the primary",
    1836: "the server only reads: connect to the primary",
    2003: "start the server, or correct host and port in the database's URL",
}


def _code(error: Exception) -> int:
    code = error.args[0] if error.args else 0
    return code if isinstance(code, int) else 0


def _text(error: Exception) -> str:
    text = str(error.args[1]) if len(error.args) > 1 else str(error)
    return " ".join(text.split()) or type(error).__name__


def fault(error: Exception) -> Fault:
    """Explain a statement's error."""
    code, text = _code(error), _text(error)
    hint = _HINTS.get(code, "")
    if isinstance(error, OSError) or code in _LOST_CODES:
        return Fault("lost", text if code or len(error.args) > 1 else "the connection is closed")
    if code in _LOCK_CODES:
        return Fault("lock", text, hint=hint)
    return Fault("failed", text, hint=hint, line=int(match[1]) if (match := _LINE.search(text)) else 0)


def refused(error: Exception, label: str) -> StagecraftError:
    """Return the user's error for a failure of the bookkeeping."""
    hint = _HINTS.get(_code(error), "run again; if it stays, look at the server's log")
    return ProviderError(f"MySQL database {label!r}: {fault(error).message}", hint=hint)


def connecting(error: Exception, label: str, password: str) -> StagecraftError:
    """Return the user's error for a connection that was not made. The password never shows."""
    text = _text(error)
    if password:
        text = text.replace(password, "***")
    hint = _HINTS.get(_code(error), "check the database's URL")
    return ProviderError(f"cannot connect to MySQL database {label!r}: {text}", hint=hint)
