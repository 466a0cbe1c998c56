"""Decide what a ``.dockerignore`` leaves out: the last pattern that matches a path or a folder above it wins, ``!``
brings back.

Format: the section ".dockerignore files" of Docker's build context documentation.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable


def compile_ignore(text: str) -> Callable[[str], bool]:
    """Return a function that tells whether a relative path is left out."""
    rules = [rule for line in text.splitlines() if (rule := _rule(line))]

    def ignored(path: str) -> bool:
        left_out = False
        for pattern, keep in rules:
            if left_out is keep and pattern.match(path):
                left_out = not keep
        return left_out

    return ignored


def brings_back(text: str) -> bool:
    """Tell whether any pattern brings something back, so that an ignored folder must still be looked into."""
    return any(line.strip().startswith("!") for line in text.splitlines())


def _rule(line: str) -> tuple[re.Pattern[str], bool] | None:
    line = line.strip().removeprefix("\ufeff")
    if not line or line.startswith("#"):
        return None
    keep = line.startswith("!")
    pattern = posixpath.normpath(line[keep:].strip().lstrip("/"))
    if pattern == ".":
        return None
    # a pattern matches a path, and all that lies below it
    return re.compile(_translate(pattern) + r"(?:/.*)?\Z", re.DOTALL), keep


def _translate(pattern: str) -> str:
    out, i = "", 0
    while i < len(pattern):
        if pattern.startswith("**/", i):
            out, i = out + r"(?:.*/)?", i + 3
        elif pattern.startswith("**", i):
            out, i = out + r".*", i + 2
        elif pattern[i] == "*":
            out, i = out + r"[^/]*", i + 1
        elif pattern[i] == "?":
            out, i = out + r"[^/]", i + 1
        elif pattern[i] == "[" and (end := pattern.find("]", i + 2)) > 0:
            inside = pattern[i + 1 : end].replace("\\", "\\\\").replace("[", r"\[")
            out, i = out + f"[{inside}]", end + 1
        elif pattern[i] == "\\" and i + 1 < len(pattern):
            out, i = out + re.escape(pattern[i + 1]), i + 2
        else:
            out, i = out + re.escape(pattern[i]), i + 1
    return out
