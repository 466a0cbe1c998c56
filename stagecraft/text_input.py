"""Read text files, refusing what is not a modest UTF-8 text with one clear error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagecraft_hookspecs.errors import ConfigError, Mark, Problem

if TYPE_CHECKING:
    from pathlib import Path

MAX_BYTES = 1_000_000


def read_text(path: Path, name: str, max_bytes: int = MAX_BYTES) -> str:
    """Read a UTF-8 text file of at most `max_bytes`, refusing everything else with a ConfigError."""
    from stat import S_ISDIR, S_ISREG

    try:
        status = path.stat()
        if not S_ISREG(status.st_mode):
            what = "a directory" if S_ISDIR(status.st_mode) else "not a regular file"
            raise fault(name, f"this is {what}", "name a file")
        if status.st_size > max_bytes:
            raise too_large(name, status.st_size, max_bytes)
        raw = path.read_bytes()
    except FileNotFoundError:
        raise fault(name, "no such file", "check the path and the folder you are in") from None
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        raise fault(name, f"cannot be read: {reason}", "check the path and its permissions") from None
    return decode_text(raw, name)


def decode_text(raw: bytes, name: str) -> str:
    """Decode UTF-8 (with or without a byte order mark), naming the place of the first bad byte otherwise."""
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise fault(name, "the file is UTF-16, not UTF-8", "save it as UTF-8")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        where = Mark(name, before.count(b"\n") + 1, error.start - (before.rfind(b"\n") + 1) + 1)
        raise ConfigError([Problem("the file is not UTF-8 text", where=where, hint="save it as UTF-8")]) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise ConfigError([Problem("the file is binary, not text", where=Mark(name, line, 1), hint="name a YAML file")])
    return text


def too_large(name: str, size: int, limit: int) -> ConfigError:
    return fault(name, f"the file has {size} bytes; at most {limit} are read", "is this the right file?")


def fault(name: str, message: str, hint: str) -> ConfigError:
    return ConfigError([Problem(message, where=Mark(name, 1, 1), hint=hint)])
