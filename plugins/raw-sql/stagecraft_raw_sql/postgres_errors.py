"""What PostgreSQL's errors mean, and the next step for each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stagecraft_hookspecs.errors import ProviderError, StagecraftError, UserError

from stagecraft_raw_sql.session import Fault

if TYPE_CHECKING:
    from stagecraft_raw_sql.connect import Target

_LOCK_STATES = frozenset({"55P03", "40P01", "40001"})  # lock not available, deadlock, serialization failure
_LOST_STATES = frozenset({"57P01", "57P02", "57P03", "57P05", "25P03"})

#: SQLSTATE to next step.
_HINTS = {
    "25001": "write `-- stagecraft: no-transaction` above the first statement",
    "55P04": "put ALTER TYPE … ADD VALUE into a file of its own, before the file that uses the value",
    "42501": "grant the database's user the right, or migrate as the owner",
    "25006": "the server only reads: connect to the primary, or set default_transaction_read_only off",
    "53100": "free disk space on the database's server",
    "53300": "the server has no connection left: raise max_connections or close some",
}

#: Part of a connection error's text, in lower case, to next step. A refused connection carries no SQLSTATE.
_CONNECTING = {
    "password authentication failed": "check user and password in the database's URL",
    "no password supplied": "the server asks for a password: put one into the database's URL",
    "no pg_hba.conf entry": "allow this client in the server's pg_hba.conf",
    "does not exist": "create the database or the user first, or correct the URL",
    "connection refused": "start the server, or correct host and port in the database's URL",
    "no such file or directory": "start the server, or correct the socket's folder in the database's URL",
    "could not translate host name": "correct the host in the database's URL",
    "failed to resolve host": "correct the host in the database's URL",
    "timeout expired": "the server does not answer: check host, port and firewall",
    "too many clients": _HINTS["53300"],
    "remaining connection slots": _HINTS["53300"],
    "ssl": "check sslmode and the certificates that the database's URL names",
}


def _first_line(error: Exception) -> str:
    diagnosis: Any = getattr(error, "diag", None)
    text = (diagnosis.message_primary if diagnosis else None) or str(error).strip() or type(error).__name__
    extra = f" ({diagnosis.message_detail})" if diagnosis and diagnosis.message_detail else ""
    return str(text.splitlines()[0]) + extra.replace("\n", " ")


def fault(error: Exception, *, broken: bool) -> Fault:
    """Explain a statement's error; ``broken``: a connection is gone."""
    state = str(getattr(error, "sqlstate", None) or "")
    message, hint = _first_line(error), _HINTS.get(state, "")
    if broken or state in _LOST_STATES or state.startswith("08"):
        return Fault("lost", message, hint=hint)
    if state in _LOCK_STATES:
        return Fault("lock", message, hint=hint)
    diagnosis: Any = getattr(error, "diag", None)
    position = int(diagnosis.statement_position or 0) if diagnosis else 0
    return Fault("failed", message, position - 1, hint)


def refused(error: Exception, label: str) -> StagecraftError:
    """Return the user's error for a failure of the bookkeeping."""
    state = str(getattr(error, "sqlstate", None) or "")
    hint = _HINTS.get(state, "run again; if it stays, look at the server's log")
    return ProviderError(f"PostgreSQL database {label!r}: {_first_line(error)}", hint=hint)


def connecting(error: Exception, label: str, password: str) -> StagecraftError:
    """Return the user's error for a connection that was not made. The password never shows."""
    text = " ".join(str(error).split())
    if password:
        text = text.replace(password, "***")
    lower = text.lower()
    hint = next((h for part, h in _CONNECTING.items() if part in lower), "check the database's URL")
    return ProviderError(f"cannot connect to PostgreSQL database {label!r}: {text}", hint=hint)


def bad_url(target: Target) -> UserError:
    """Return the user's error for a URL that libpq refuses, naming a parameter that it does not know."""
    from psycopg import pq

    known = {option.keyword.decode() for option in pq.Conninfo.get_defaults()}
    unknown = sorted(set(target.options) - known)
    if unknown:
        hint = "remove it; parameters of other programs, such as Prisma's `schema`, are not libpq's"
        return UserError(f"the URL of database {target.label!r} has an unknown parameter {unknown[0]!r}", hint=hint)
    hint = "percent-encode special characters of the password: @ is %40, / is %2F, # is %23, % is %25"
    return UserError(f"the URL of database {target.label!r} cannot be read", hint=hint)
