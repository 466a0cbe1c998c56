"""Read the planned files again when they are applied, and make sure that they are the planned ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import attrs
from stagecraft_hookspecs.errors import ConfigError, Mark, Problem, Refused
from stagecraft_hookspecs.migration import Migration

from stagecraft_raw_sql.files import MAX_BYTES, SqlFile, parse
from stagecraft_raw_sql.plan import short


def reread(root: Path, pending: Sequence[Migration], dialect: str) -> tuple[SqlFile, ...]:
    """Return the files of ``pending``, cut by ``dialect``.

    Raises:
        ConfigError: With every fault of every file.
        Refused: A file is not what was planned, or lies outside of the project.
    """
    files: list[SqlFile] = []
    problems: list[Problem] = []
    for migration in pending:
        try:
            file = parse(migration.path, _read(root, migration.path), dialect)
        except ConfigError as error:
            problems.extend(error.problems)
            continue
        if migration.checksum and file.checksum != migration.checksum:
            planned, now = short(migration.checksum), short(file.checksum)
            message = f"{migration.name} changed after it was planned: planned {planned}, file {now}"
            raise Refused(message, hint="plan again", where=Mark(migration.path))
        files.append(attrs.evolve(file, name=migration.name))
    if problems:
        raise ConfigError(problems)
    return tuple(files)


def _read(root: Path, path: str) -> bytes:
    full = (root / path).resolve()
    if not full.is_relative_to(root.resolve()):
        raise Refused(
            f"{path} lies outside of the project", hint="put the file itself there, not a link", where=Mark(path)
        )
    try:
        with full.open("rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except OSError as error:
        hint = "plan again; the file was there when it was planned"
        raise ConfigError([Problem(f"the file cannot be read: {error.strerror}", hint, Mark(path))]) from None


def whoami() -> str:
    """Return ``user@machine``, for the ledger and for whoever waits for the lock."""
    import getpass
    import socket

    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as in containers
        import os

        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"
