"""Read OpenSSH's client configuration: ``Include`` written out, the rest left to Paramiko's reader."""

from __future__ import annotations

import re
from glob import glob
from pathlib import Path
from typing import TYPE_CHECKING

from stagecraft_hookspecs.errors import UserError

if TYPE_CHECKING:
    from paramiko import SSHConfig

_KEYWORD = re.compile(r"\s*(\w+)(?:\s+|\s*=\s*)(.*?)\s*$")
_DEPTH = 16


def read_ssh_config(files: tuple[Path, ...], first: str = "") -> SSHConfig:
    """Return the configuration of ``files``, the first of which wins; missing ones are left out; the text ``first`` comes before.

    Raises:
        UserError: A file cannot be read or understood.
    """
    from paramiko import ConfigParseError, SSHConfig

    text = first
    for file in files:
        text += "Host *\n" + "\n".join(_lines(file, "", 0)) + "\n"
    try:
        return SSHConfig.from_text(text)
    except ConfigParseError as error:
        raise UserError(
            f"the SSH configuration {', '.join(map(str, files))} is not understood: {error}",
            hint="`ssh -G HOST` shows how ssh itself reads it",
        ) from error


def _lines(file: Path, around: str, depth: int) -> list[str]:
    """Return a file's lines with those of included files in their place; ``around`` is the condition it is included under."""
    if depth > _DEPTH:
        raise UserError(f"{file} is included by itself", hint="remove the Include line that closes the circle")
    try:
        text = file.read_text(errors="surrogateescape")
    except (FileNotFoundError, IsADirectoryError):
        return []
    except OSError as error:
        raise UserError(f"cannot read {file}: {error.strerror}", hint="check the file's permissions") from error
    lines: list[str] = []
    block = around
    for line in text.splitlines():
        found = _KEYWORD.match(line)
        keyword, value = (found[1].lower(), found[2]) if found else ("", "")
        if keyword in ("host", "match"):
            block = _conditions(around, keyword, value)
            lines.append(f"Match {block}")
        elif keyword == "include":
            for pattern in _words(value):
                for name in sorted(glob(str(_anchored(pattern, file)))):  # noqa: PTH207, the pattern may be absolute
                    lines += _lines(Path(name), block, depth + 1)
            lines.append(f"Match {block}" if block else "Host *")
        else:
            lines.append(line)
    return lines


def _conditions(around: str, keyword: str, value: str) -> str:
    own = value if keyword == "match" else f"originalhost {','.join(_words(value))}"
    if own.strip().lower() == "all":
        return around or "all"
    return f"{around} {own}".strip() if around != "all" else own


def _anchored(pattern: str, file: Path) -> Path:
    path = Path(pattern).expanduser()
    base = file.parent if file.is_relative_to("/etc/ssh") else Path("~/.ssh").expanduser()
    return path if path.is_absolute() else base / path


def _words(value: str) -> list[str]:
    return [quoted or plain for quoted, plain in re.findall(r'"([^"]*)"|(\S+)', value)]
