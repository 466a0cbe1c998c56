"""Follow one statement of a text to its end.

The scan stops only at characters that can matter and leaves the stretches between to compiled patterns. It looks at words
only while they decide whether the statement has a body with inner semicolons, and within such bodies.
"""

from __future__ import annotations

import functools
import re

from stagecraft_raw_sql.dialects import ESCAPED, Blocks, Dialect

# Names begin with a letter, an underscore or anything beyond ASCII; written as what they are not, which compiles faster.
_WORD = re.compile(r"[^\x00-@\[-^`{-\x7f][^\x00-#%-/:-@\[-^`{-\x7f]*")
_DOLLAR = re.compile(r"\$(?:[^\x00-@\[-^`{-\x7f][^\x00-/:-@\[-^`{-\x7f]*)?\$")
_COMMENT_MARK = re.compile(r"/\*|\*/")
_EXECUTABLE = re.compile(r"/\*M?!\d*")
_COPY_STDIN = re.compile(r"COPY\b.*\bFROM\s+STDIN\b", re.IGNORECASE | re.DOTALL)
_OTHER_END = re.compile(r"\s+(?:IF|LOOP|WHILE|REPEAT|FOR(?!\s+(?:UPDATE|SHARE)\b))\b", re.IGNORECASE)
_NONLETTERS = "".join(chr(c) for c in range(128) if not chr(c).isalpha() and chr(c) != "_")

_COMPOUND_FIRST = frozenset({"CREATE", "EXPLAIN", "BEGIN"})
_COMPOUND_SECOND = frozenset(
    {"OR", "TEMP", "TEMPORARY", "TRIGGER", "FUNCTION", "PROCEDURE", "EVENT", "PACKAGE", "DEFINER", "AGGREGATE"}
)
_HEAD_WORDS = 12

#: What stands among a statement's first words for anything that is no word.
_OTHER = "…"


class LexError(Exception):
    """Point at text that cannot be cut: ``offset`` is 0-based, in characters."""

    def __init__(self, message: str, offset: int, hint: str = "") -> None:
        super().__init__(message)
        self.message, self.offset, self.hint = message, offset, hint


def client_command(command: str, position: int) -> LexError:
    """Return the error for a command of the database's client."""
    return LexError(
        f"{command.split()[0]!r} is a command of the database's command-line client, not SQL",
        position,
        "write it as SQL, or remove the line",
    )


def comment(text: str, position: int, dialect: Dialect) -> int:
    """Return the offset after the comment that begins here; 0 if none does."""
    if match := dialect.line_comment.match(text, position):
        return match.end()
    if not text.startswith("/*", position) or (dialect.executable_comments and _EXECUTABLE.match(text, position)):
        return 0
    depth, at = 1, position + 2
    while depth:
        mark = _COMMENT_MARK.search(text, at)
        if mark is None:
            if dialect.open_comment_ends:
                return len(text)
            raise LexError("a comment never ends", position, "close it with */")
        at = mark.end()
        if mark[0] == "*/":
            depth -= 1
        elif dialect.nested_comments:
            depth += 1
        else:
            at = mark.start() + 1  # the * may belong to the */ of "/*/"
    return at


@functools.lru_cache(maxsize=64)
def _boring(dialect: Dialect, delimiter: str, words: bool) -> re.Pattern[str]:
    """Return the pattern of a stretch that cannot matter; with ``words``, it stops at letters too."""
    stops = set(dialect.quotes) | {"-", "/", "\\", delimiter[0]}
    stops |= {"#", "*"} if dialect.executable_comments else set()
    stops |= {"$"} if dialect.dollar_quotes else set()
    stops |= {"(", ")"} if dialect.parentheses else set()
    if words:
        return re.compile("[" + "".join(re.escape(c) for c in _NONLETTERS if c not in stops) + "]*")
    return re.compile("[^" + "".join(re.escape(c) for c in sorted(stops)) + "]*")


class Scan:
    """Follow one statement to its end. ``last`` is the offset after its last token."""

    def __init__(self, text: str, start: int, dialect: Dialect, delimiter: str) -> None:
        self.text, self.start, self.at, self.dialect, self.delimiter = text, start, start, dialect, delimiter
        self.last = start
        self.words: list[str] = []
        self.compound = False
        self.undecided = True  # whether the words so far can still become the head of a compound statement
        self.parens = self.depth = 0
        self.executable = -1
        self.before = self.previous = ""  # the last two tokens, as far as a body's end depends on them

    def run(self) -> int:
        """Return the offset after the terminator, or the text's end."""
        while True:
            stretch = _boring(self.dialect, self.delimiter, self.compound or self.undecided).match(self.text, self.at)
            if stretch and stretch.end() > self.at:
                self._pass(stretch[0], stretch.end())
            if self.at >= len(self.text):
                return self._finish(self.at)
            if self.text.startswith(self.delimiter, self.at):
                if not self._inside():
                    return self._finish(self.at + len(self.delimiter))
                self._take(self.at + len(self.delimiter), ";")
            else:
                self._token()

    def _finish(self, after: int) -> int:
        if self.executable >= 0 and after >= len(self.text):
            raise LexError("a comment never ends", self.executable, "close it with */")
        copy = self.dialect.dollar_quotes and self.words == ["COPY"]
        if copy and _COPY_STDIN.match(self.text[self.start : self.last]):
            raise LexError(
                "COPY … FROM STDIN takes its rows from the client, and a migration has none",
                self.start,
                "write the rows as INSERT … VALUES",
            )
        return after

    def _pass(self, stretch: str, end: int) -> None:
        kept = stretch.rstrip(" \t\n\r\f\v")
        if kept:
            self.last = self.at + len(kept)
            self._note("." if kept[-1] == "." else _OTHER)
        self.at = end

    def _note(self, token: str) -> None:
        self.before, self.previous = self.previous, token
        if self.undecided:
            self.words.append(token)
            self._decide()

    def _take(self, end: int, kind: str = _OTHER) -> None:
        self.at = self.last = end
        self._note(kind)

    def _inside(self) -> bool:
        """Tell whether the terminator here belongs to a body."""
        if self.executable >= 0:
            return True
        if self.delimiter != ";":
            return False
        if self.parens and self.dialect.parentheses:
            return True
        if not self.compound:
            return False
        if self.dialect.blocks is Blocks.SEQUENCE:
            return (self.before, self.previous) != (";", "END")
        return self.depth > 0

    def _token(self) -> None:
        text, at, dialect = self.text, self.at, self.dialect
        ch = text[at]
        if ch in dialect.quotes:
            self._quoted(ch)
        elif after := comment(text, at, dialect):
            self.at = after
        elif match := _WORD.match(text, at):
            self._word(match[0])
        elif ch == "$" and dialect.dollar_quotes and (match := _DOLLAR.match(text, at)) and not self._glued(at):
            end = text.find(match[0], match.end())
            if end < 0:
                raise LexError(f"the dollar quote {match[0]} never ends", at, f"close it with {match[0]}")
            self._take(end + len(match[0]))
        elif ch == "\\" and (match := dialect.meta.match(text, at)):
            raise client_command(match[0], at)
        elif dialect.executable_comments and (match := _EXECUTABLE.match(text, at)):
            self.executable = at
            self.at = self.last = match.end()
        elif self.executable >= 0 and text.startswith("*/", at):
            self.executable = -1
            self.at = self.last = at + 2
        else:
            self.parens = max(0, self.parens + (ch == "(") - (ch == ")"))
            self._take(at + 1)

    def _glued(self, at: int) -> bool:
        """Tell whether the character before belongs to a name, as in ``a$b$``."""
        before = self.text[at - 1 : at] if at > self.start else ""
        return bool(before) and (before.isalnum() or before in "_$" or before > "\x7f")

    def _quoted(self, ch: str) -> None:
        pattern, at = self.dialect.quotes[ch], self.at
        prefixed = at > self.start and self.text[at - 1] in "eE" and not self._glued(at - 1)
        if prefixed and ch == "'" and self.dialect.dollar_quotes:
            pattern = ESCAPED
        match = pattern.match(self.text, at)
        if match is None:
            raise LexError(f"a {ch} quote never ends", at, f"close it with {']' if ch == '[' else ch}")
        self._take(match.end())

    def _word(self, word: str) -> None:
        if self.delimiter != ";" and (cut := word.find(self.delimiter)) > 0:
            word = word[:cut]  # END$$
        upper, qualified = word.upper(), self.previous == "."
        if self.compound and self.dialect.blocks is Blocks.DEPTH and not self.parens and not qualified:
            self._block(upper, self.at + len(word))
        self._take(self.at + len(word), upper)

    def _decide(self) -> None:
        """Tell from the first words whether the statement has a body with inner semicolons."""
        first, second = self.words[0], self.words[1:2]
        if first not in _COMPOUND_FIRST or (first == "CREATE" and second and second[0] not in _COMPOUND_SECOND):
            self.undecided = False
        elif self.dialect.compound.match(" ".join(self.words)):
            self.compound, self.undecided = True, False
            self.depth = int(first == "BEGIN")  # BEGIN NOT ATOMIC is known by its third word
        else:
            self.undecided = len(self.words) < _HEAD_WORDS

    def _block(self, word: str, end: int) -> None:
        """Count BEGIN and CASE against END; ``END IF`` and its like close neither, ``END CASE`` opens none."""
        if word == "BEGIN" or (word == "CASE" and self.depth and self.previous != "END"):
            self.depth += 1
        elif word == "END" and self.depth and not (self.dialect.delimiter_command and _OTHER_END.match(self.text, end)):
            self.depth -= 1
