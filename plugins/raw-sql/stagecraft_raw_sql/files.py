"""Find the project's migration files, read them, and judge what can be judged without a database."""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import attrs
from stagecraft_hookspecs.errors import ConfigError, Mark, NotFound, Problem, nearest

from stagecraft_raw_sql.dialects import DIALECTS, Dialect
from stagecraft_raw_sql.lexer import LexError, Statement, place, split

if TYPE_CHECKING:
    from stagecraft_hookspecs.values import Folder

#: Larger files are data, and data is not loaded by a migration that holds locks.
MAX_BYTES = 16 * 1024 * 1024

DIRECTIVES = ("no-transaction", "irreversible", "post")
_CONTROL_FIRST = re.compile(r"(?:BEGIN|COMMIT|END|ABORT|START|PREPARE|ROLLBACK|SAVEPOINT|RELEASE|XA)\b", re.IGNORECASE)
_ALIASES = {"post-deploy": "post"}
_NAME = re.compile(r"(\d{1,20})[_-][^.]")
_DIRECTIVE = re.compile(r"^[ \t]*--[ \t]*stagecraft[ \t]*(:?)[ \t]*([^\n]*)", re.IGNORECASE | re.MULTILINE)
_DIALECT_MATTERS = re.compile(
    r"[\\$#`\[]|/\*|--\S|^\s*\.|\b(?:delimiter|trigger|function|procedure|event|package|rule|copy|source"
    r"|begin|commit|rollback|end|start|prepare|abort|savepoint|release|xa)\b",
    re.IGNORECASE | re.MULTILINE,
)
_SEPARATORS = re.compile(r"[\s,]+")


@attrs.frozen
class SqlFile:
    """Hold one migration file.

    Attributes:
        name, path: Its file name, and its path relative to the project.
        text: Its content with line ends as ``\\n`` and without a byte order mark.
        checksum: ``sha256:…`` of ``text``, so that a checkout with other line ends is no edit.
        directives: What its ``-- stagecraft:`` lines say.
        statements: In order; empty when the dialect is unknown and the dialects disagree.
    """

    name: str
    path: str
    text: str = attrs.field(repr=False)
    checksum: str
    directives: frozenset[str] = frozenset()
    statements: tuple[Statement, ...] = ()

    @property
    def transactional(self) -> bool:
        """Tell whether the file wants to be one transaction."""
        return "no-transaction" not in self.directives

    def mark(self, offset: int = 0) -> Mark:
        """Return the place of an offset of ``text``."""
        return Mark(self.path, *place(self.text, offset))


def version(name: str) -> int:
    """Return the number that a file's name begins with; -1 for a name without one."""
    match = _NAME.match(name)
    return int(match[1]) if match else -1


def find(folder: Folder, path: str) -> tuple[str, ...]:
    """Return the paths of the migration files in their order.

    Raises:
        ConfigError: No such folder; a name without a number; two names with the same number.
    """
    base = posixpath.normpath(path)
    if not folder.exists(base):
        hint = "create it, or correct `path` of the database's migrations"
        raise ConfigError([Problem(f"there is no migrations folder {path!r}", hint)])
    found = [p for p in folder.glob("*" if base == "." else f"{base}/*") if _is_migration(posixpath.basename(p))]
    problems = [_unnumbered(p) for p in found if version(posixpath.basename(p)) < 0]
    found.sort(key=lambda p: (version(posixpath.basename(p)), p))
    for one, other in pairwise(found):
        number = version(posixpath.basename(one))
        if number >= 0 and number == version(posixpath.basename(other)):
            first, second = posixpath.basename(one), posixpath.basename(other)
            problems.append(
                Problem(
                    f"{first!r} and {second!r} have the same number {number}",
                    "give one of them a number of its own",
                    Mark(other),
                )
            )
    if problems:
        raise ConfigError(problems)
    return tuple(found)


def _is_migration(name: str) -> bool:
    lower = name.lower()
    return lower.endswith(".sql") and not lower.endswith(".down.sql") and not lower.startswith(".")


def _unnumbered(path: str) -> Problem:
    hint = "name it like 001_create_users.sql or 20260131120000_create_users.sql"
    return Problem("a migration's file name begins with a number and an underscore", hint, Mark(path))


def load(folder: Folder, path: str, dialect: str) -> tuple[SqlFile, ...]:
    """Read all migrations below ``path``; ``dialect`` may be empty. Raises ConfigError with every fault found."""
    files: list[SqlFile] = []
    problems: list[Problem] = []
    for found in find(folder, path):
        try:
            files.append(parse(found, folder.read(found), dialect))
        except ConfigError as error:
            problems.extend(error.problems)
        except NotFound:
            problems.append(Problem("the file cannot be read", "is it a link to something that is gone?", Mark(found)))
    if problems:
        raise ConfigError(problems)
    return tuple(files)


def parse(path: str, data: bytes, dialect: str = "") -> SqlFile:
    """Read one file. Raises ConfigError with every fault found."""
    text = decode(path, data)
    checksum = "sha256:" + hashlib.sha256(text.encode()).hexdigest()
    file = SqlFile(posixpath.basename(path), path, text, checksum)
    if dialect:
        chosen = [DIALECTS[dialect]]
    else:  # a text without any of these is cut the same by all
        chosen = list(DIALECTS.values())[: None if _DIALECT_MATTERS.search(text) else 1]
    readings = [_statements(file, d) for d in chosen]
    good = [statements for statements, problems in readings if not problems]
    if not good:
        raise ConfigError(readings[0][1])
    same = len({tuple(s.start for s in statements) for statements in good}) == 1
    first = max(statements[0].start for statements in good)
    return attrs.evolve(file, directives=_directives(file, first, good[0]), statements=good[0] if same else ())


def decode(path: str, data: bytes) -> str:
    """Return the text of a file's bytes. Raises ConfigError for what is no UTF-8 text."""
    where, hint = Mark(path), "save it as UTF-8"
    if len(data) > MAX_BYTES:
        size = f"{len(data) / 2**20:.0f} MiB"
        hint = "split it, or load data by other means than a migration"
        raise ConfigError([Problem(f"the file has {size}; a migration may have {MAX_BYTES // 2**20} MiB", hint, where)])
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ConfigError([Problem("the file is UTF-16", hint, where)])
    try:
        text = data.removeprefix(b"\xef\xbb\xbf").decode("utf-8")
    except UnicodeDecodeError as error:
        before = data.removeprefix(b"\xef\xbb\xbf")[: error.start].decode("utf-8")
        line, column = place(before, len(before))
        byte = f"0x{error.object[error.start]:02x}"
        raise ConfigError([Problem(f"the byte {byte} is not UTF-8", hint, Mark(path, line, column))]) from None
    if "\0" in text:
        line, column = place(text, text.index("\0"))
        raise ConfigError([Problem("the file is binary: it has a NUL", hint, Mark(path, line, column))])
    return text.replace("\r\n", "\n")


def _statements(file: SqlFile, dialect: Dialect) -> tuple[tuple[Statement, ...], list[Problem]]:
    try:
        statements = split(file.text, dialect)
    except LexError as error:
        return (), [Problem(error.message, error.hint, file.mark(error.offset))]
    if not statements:
        return (), [Problem("the file has no statement", "write one, or remove the file", file.mark())]
    return statements, [_control(file, s) for s in statements if _is_control(s, dialect)]


def _is_control(statement: Statement, dialect: Dialect) -> bool:
    return bool(_CONTROL_FIRST.match(statement.text) and dialect.control.match(statement.head))


def _control(file: SqlFile, statement: Statement) -> Problem:
    word = " ".join(statement.text.split()[:2]).rstrip(";").upper()
    hint = "remove it: a file is one transaction already, or with `-- stagecraft: no-transaction` none"
    return Problem(
        f"{word!r} begins or ends a transaction, which a migration must not", hint, file.mark(statement.start)
    )


def _directives(file: SqlFile, first_statement: int, statements: Sequence[Statement]) -> frozenset[str]:
    """Return the directives above the first statement. Raises ConfigError for unknown and for misplaced ones."""
    found: set[str] = set()
    problems: list[Problem] = []
    if "stagecraft" not in file.text.lower():
        return frozenset()
    for match in _DIRECTIVE.finditer(file.text):
        words = [w.lower() for w in _SEPARATORS.split(match[2].strip()) if w]
        names = [_ALIASES.get(w, w) for w in words]
        offset = match.start(2)
        if not match[1]:
            if names and set(names) <= set(DIRECTIVES):  # prose that begins with the word is let alone
                problems.append(_directive_problem(file, offset, "a directive needs a colon", match[2]))
        elif match.start() > first_statement:
            if not any(s.start <= match.start() < s.end for s in statements):  # else it may be within a string
                problems.append(
                    _directive_problem(file, offset, "directives stand above the first statement", match[2])
                )
        else:
            problems.extend(_unknown(file, offset, match[2], names))
            found.update(names)
    if problems:
        raise ConfigError(problems)
    return frozenset(found)


def _directive_problem(file: SqlFile, offset: int, message: str, text: str) -> Problem:
    return Problem(message, f"write `-- stagecraft: {text.strip()}` above the first statement", file.mark(offset))


def _unknown(file: SqlFile, offset: int, text: str, names: Sequence[str]) -> list[Problem]:
    hint = f"known: {', '.join(DIRECTIVES)}"
    if not names:
        return [Problem("a directive is missing after the colon", hint, file.mark(offset))]
    problems = []
    for name in names:
        if name not in DIRECTIVES:
            near = nearest(name, (*DIRECTIVES, *_ALIASES))
            message = f"no directive {name!r}" + (f"; did you mean {near!r}?" if near else "")
            at = offset + max(text.lower().find(name), 0)
            problems.append(Problem(message, hint, file.mark(at)))
    return problems
