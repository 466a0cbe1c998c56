"""Read and edit files of ``KEY=value`` lines, as python-dotenv understands them; nothing is interpolated."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

from stagecraft_hookspecs.errors import UserError


def pairs(data: bytes, path: str) -> Iterator[tuple[str, str]]:
    """Yield the names and values of a file; a name without a value is passed over. Raises UserError for other than UTF-8."""
    from dotenv import dotenv_values

    for name, value in dotenv_values(stream=io.StringIO(_text(data, path)), interpolate=False).items():
        if value is not None:
            yield name, value


def edited(data: bytes, path: str, name: str, value: str) -> bytes:
    """Return the file with one name set: in its line if it has one, else at the end. Every other line stays as it is."""
    from dotenv.parser import parse_stream

    line = f"{name}={quoted(value)}\n"
    lines, found = [], False
    for binding in parse_stream(io.StringIO(_text(data, path))):
        if binding.key == name and not binding.error:
            # a name that is there twice would answer with the last of them
            lines += [] if found else [line]
            found = True
        else:
            lines.append(binding.original.string)
    text = "".join(lines)
    if not found:
        text += ("\n" if text and not text.endswith("\n") else "") + line
    return text.encode()


def quoted(value: str) -> str:
    """Return a value in single quotes, in which only the backslash and the quote itself are special."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def inside(root: Path, path: str) -> Path:
    """Return a file's absolute path; raises UserError when it lies outside the project, also through a link."""
    target = (root / path).resolve()
    if not target.is_relative_to(root.resolve()):
        raise UserError(f"the secrets file {path} lies outside the project", hint="keep it in the project's folder")
    return target


def _text(data: bytes, path: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path} is not UTF-8 at byte {error.start}", hint=f"save {path} as UTF-8 text of KEY=value lines"
        ) from None
