"""Print a topology: what would run, in which order. Variables by name alone, since any value may be a secret."""

from __future__ import annotations

import shlex
import signal
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from stagecraft_hookspecs.values import Ready

from stagecraft.dev.environment import sources

if TYPE_CHECKING:
    from stagecraft.dev.topology import Part, Topology

SCHEMA = 1

Style = Callable[[str, str], str]


def as_document(topology: Topology, files: Mapping[str, str]) -> dict[str, Any]:
    """Return the topology as JSON-like data; ``files`` are the env files' variables, of which only the names are used."""
    return {
        "schema": SCHEMA,
        "project": topology.project,
        "env_files": list(topology.env_files),
        "processes": [_document(part, files) for part in topology.parts],
        "not_started": list(topology.absent),
    }


def as_text(topology: Topology, files: Mapping[str, str], style: Style) -> str:
    """Return the topology for people."""
    lines = [style(f"Development stack of {topology.project}", "1")]
    for number, part in enumerate(topology.parts, 1):
        service = f", stands in for the service {part.service}" if part.service else ""
        lines += ["", style(f"{number}. {part.name}", "1;36") + f"  {part.kind}{service}"]
        width = max(len(label) for label, _ in _rows(part, files))
        lines += [f"   {label:<{width}}  {text}" for label, text in _rows(part, files)]
    if topology.absent:
        lines += ["", f"not started by dev: {', '.join(topology.absent)}"]
    return "\n".join(lines)


def said(argv: tuple[str, ...]) -> str:
    """Return a command line as one would type it."""
    return shlex.join(argv)


def shortened(argv: tuple[str, ...]) -> str:
    """Return a process's command line, cut where it would fill more than a line."""
    text = said(argv).replace("\n", " ")
    return text if len(text) <= 80 else f"{text[:79]}…"


def ended_with(code: int) -> str:
    """Say how a process ended: by its exit code or by a signal."""
    if code >= 0:
        return f"exited with code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"


def readiness(ready: Ready) -> str:
    """Say in words when a process counts as ready."""
    if ready.url:
        what = f"{ready.url} answers below 500"
    elif ready.port:
        what = f"port {ready.port} accepts"
    elif ready.line:
        what = f"a line matches {ready.line!r}"
    else:
        return "once started"
    return f"when {what}, within {ready.timeout:g} s"


def _rows(part: Part, files: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    process = part.process
    yield "command", said(process.command.argv)
    yield "folder", process.command.cwd or "."
    variables = sources(process.command, files)
    for label, source in (("env", "process"), ("env file", "env_file")):
        if names := [name for name, found in variables.items() if found == source]:
            yield label, ", ".join(names)
    if process.depends_on:
        yield "after", ", ".join(process.depends_on)
    yield "ready", readiness(process.ready)
    if process.watch:
        yield "restart on", ", ".join(process.watch)
    yield "its exit", "ends the stack" if process.required else "is only reported"


def _document(part: Part, files: Mapping[str, str]) -> dict[str, Any]:
    process, ready = part.process, part.process.ready
    return {
        "name": part.name,
        "kind": part.kind,
        "service": part.service,
        "command": list(process.command.argv),
        "folder": process.command.cwd or ".",
        "env": sources(process.command, files),
        "depends_on": list(process.depends_on),
        "ready": {"port": ready.port, "url": ready.url, "line": ready.line, "timeout": ready.timeout},
        "required": process.required,
        "watch": list(process.watch),
    }
