"""Notice changed files by looking at them regularly: it works on every file system, shared folders of virtual machines included."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

#: Folders that are never entered.
IGNORED = frozenset({".git", ".hg", ".stagecraft", ".svn", ".venv", "__pycache__", "node_modules", "venv"})

#: Seconds between two looks, at least; a look that takes long is followed by a longer rest.
EVERY = 0.4
_REST = 10

Signature = tuple[int, int, int]


class Watcher:
    """Look at the files that match globs, in a thread, and tell which process wants to know of a change.

    A change is told when a further look finds nothing new: an editor or a version control that writes many files causes one
    restart.

    Args:
        globs: Process name to patterns relative to the project; ``**`` crosses folders.
        on_change: Told a process's name and the first changed file, sorted.
    """

    def __init__(
        self,
        root: Path,
        globs: Mapping[str, Sequence[str]],
        on_change: Callable[[str, str], None],
        every: float = EVERY,
    ) -> None:
        self._root, self._on_change, self._every = root, on_change, every
        self._patterns = {name: compiled(patterns) for name, patterns in globs.items() if patterns}
        self._bases = {name: bases(patterns) for name, patterns in globs.items() if patterns}
        self._stopped = threading.Event()

    def start(self) -> None:
        """Begin to look, if any process wants to know."""
        if self._patterns:
            known = {name: self.look(name) for name in self._patterns}
            threading.Thread(target=self._watch, args=(known,), name="dev-watch", daemon=True).start()

    def stop(self) -> None:
        """Look no further."""
        self._stopped.set()

    def look(self, name: str) -> dict[str, Signature]:
        """Return the files of a process that match, each with what tells its content apart: time, size, inode."""
        found: dict[str, Signature] = {}
        for base in self._bases[name]:
            for path, status in _files(self._root, base):
                if path not in found and self._patterns[name].fullmatch(path):
                    found[path] = (status.st_mtime_ns, status.st_size, status.st_ino)
        return found

    def _watch(self, known: dict[str, dict[str, Signature]]) -> None:
        pending: dict[str, set[str]] = {}
        rest = self._every
        while not self._stopped.wait(rest):
            began = time.monotonic()
            for name in self._patterns:
                now, before = self.look(name), known[name]
                changed = {p for p in now.keys() | before.keys() if now.get(p) != before.get(p)}
                known[name] = now
                if changed:
                    pending.setdefault(name, set()).update(changed)
                elif name in pending:
                    self._on_change(name, min(pending.pop(name)))
            rest = max(self._every, _REST * (time.monotonic() - began))


def compiled(patterns: Sequence[str]) -> re.Pattern[str]:
    """Return the globs as one regular expression over relative paths."""
    return re.compile("|".join(translated(one) for p in patterns for one in expanded(p.removeprefix("./"))))


def expanded(pattern: str) -> Iterator[str]:
    """Yield a pattern once for each alternative of its ``{a,b}``."""
    head, found, tail = pattern.partition("{")
    inner, closed, rest = tail.partition("}")
    if not (found and closed):
        yield pattern
        return
    for alternative in inner.split(","):
        yield from expanded(head + alternative + rest)


def translated(pattern: str) -> str:
    """Return a glob as a regular expression: ``*``, ``?`` and ``[…]`` within a folder, ``**`` over folders."""

    def step(found: re.Match[str]) -> str:
        word = found[0]
        if word.startswith("["):
            inner = word[1:-1].replace("\\", "\\\\").replace("[", "\\[").replace("^", "\\^")
            return f"[^/{inner[1:]}]" if inner.startswith("!") else f"[{inner}]"
        return {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}.get(word) or re.escape(word)

    return re.sub(r"\*\*/|\*\*|\[!?[^\]]+\]|.", step, pattern, flags=re.DOTALL)


def bases(patterns: Sequence[str]) -> tuple[str, ...]:
    """Return the folders below which matching files may lie, none below another, sorted."""
    folders = {re.split(r"[*?\[{]", p.removeprefix("./"), maxsplit=1)[0].rpartition("/")[0] for p in patterns}
    return tuple(sorted(f for f in folders if not any(f != g and (not g or f.startswith(g + "/")) for g in folders)))


def _files(root: Path, base: str) -> Iterator[tuple[str, os.stat_result]]:
    """Yield the files below a folder with their paths relative to the project; links to folders are not followed."""
    folders = [base]
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(root / folder) as entries:
                for entry in entries:
                    path = f"{folder}/{entry.name}" if folder else entry.name
                    if entry.is_dir(follow_symlinks=False):
                        if entry.name not in IGNORED:
                            folders.append(path)
                    elif entry.is_file():
                        yield path, entry.stat()
        except OSError:
            continue
