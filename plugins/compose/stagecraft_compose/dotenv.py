"""Write environment files that Docker Compose reads back unchanged.

Source of the format: the dotenv package of compose-go. In double quotes it expands ``\\n``, ``\\r``, ``\\"``,
``\\\\`` and ``\\$``, and interpolates an unescaped ``$``; everything else is taken as it stands. One line per
variable, so that lines can be told apart before they are read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

_ESCAPES = {"\\": "\\\\", '"': '\\"', "$": "\\$", "\n": "\\n", "\r": "\\r"}
_PLAIN = {"n": "\n", "r": "\r"}


def quote(value: str) -> str:
    """Return ``value`` in double quotes, on one line."""
    return '"' + "".join(_ESCAPES.get(c, c) for c in value) + '"'


def unquote(text: str) -> str:
    """Return the value that ``quote`` made ``text`` from."""
    out: list[str] = []
    characters = iter(text[1:-1])
    for c in characters:
        if c == "\\":
            escaped = next(characters, "")
            out.append(_PLAIN.get(escaped, escaped))
        else:
            out.append(c)
    return "".join(out)


def dump(values: Mapping[str, str]) -> bytes:
    """Return an environment file with one line per variable, sorted."""
    return "".join(f"{name}={quote(values[name])}\n" for name in sorted(values)).encode()


def load(data: bytes) -> dict[str, str]:
    """Return the variables of a file that ``dump`` wrote."""
    lines = (line.partition("=") for line in data.decode().split("\n") if line)
    return {name: unquote(value) for name, _, value in lines}


def fill(data: bytes, reveal: Callable[[str], str]) -> bytes:
    """Return the file with every value passed through ``reveal``, quoted anew: a secret may hold quotes and
    newlines.
    """
    return dump({name: reveal(value) for name, value in load(data).items()})
