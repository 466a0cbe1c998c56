"""Find entry points of the installed distributions. See ADR 0009 for why ``importlib.metadata`` is asked only for the rest.

The layout read here is that of the packaging specifications "Recording installed projects" and "Entry points": a folder
``NAME-VERSION.dist-info`` (or ``NAME.egg-info``) on ``sys.path`` with a file ``entry_points.txt``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence

import attrs

FILE = "entry_points.txt"


@attrs.frozen(order=True)
class Entry:
    """Hold one entry point: its group, name and value, and the folder of its distribution's metadata."""

    group: str
    name: str
    value: str
    folder: str


def entries(group: str, path: Sequence[str] | None = None) -> list[Entry]:
    """Return the entry points whose group begins with ``group``, sorted; of a distribution found twice the first counts."""
    seen: set[str] = set()
    found: list[Entry] = []
    for place in sys.path if path is None else path:
        for project, folder, text in _metadata(place or os.curdir):
            if project in seen:
                continue
            seen.add(project)
            if f"[{group}" in text:
                found += [e for e in _parse(text, folder) if e.group.startswith(group)]
    return sorted(found)


def _metadata(place: str) -> Iterator[tuple[str, str, str]]:
    """Yield each distribution of a place of ``sys.path``: normalised name, metadata folder, text of its entry points."""
    try:
        with os.scandir(place) as listing:
            names = sorted(e.name for e in listing if e.name.endswith((".dist-info", ".egg-info")))
    except NotADirectoryError:
        yield from _archive(place)
        return
    except OSError:
        return
    for name in names:
        folder = f"{place}/{name}"
        project = name.rpartition(".")[0].partition("-")[0].lower().replace(".", "_")
        try:
            with open(f"{folder}/{FILE}", encoding="utf-8") as file:
                yield project, folder, file.read()
        except (OSError, UnicodeDecodeError):
            yield project, folder, ""


def _archive(place: str) -> Iterator[tuple[str, str, str]]:
    """Yield the distributions of an archive on ``sys.path``, which only the standard library knows how to look into."""
    from importlib import metadata

    for distribution in metadata.distributions(path=[place]):
        name = str(distribution.name or "").lower().replace("-", "_").replace(".", "_")
        yield name, place, distribution.read_text(FILE) or ""


def _parse(text: str, folder: str) -> Iterable[Entry]:
    group = ""
    for line in text.splitlines():
        line = line.strip()
        if line.startswith("[") and line.endswith("]"):
            group = line[1:-1].strip()
        elif line and line[0] not in "#;" and "=" in line:
            name, _, value = line.partition("=")
            # extras behind the value, `module:attr [extra]`, say nothing about what to load
            yield Entry(group, name.strip(), value.partition("[")[0].strip(), folder)
