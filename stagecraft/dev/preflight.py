"""Look before anything starts: folders, commands and ports. What fails here leaves nothing running."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from stagecraft_hookspecs.errors import ProviderError, ToolMissing, UserError

from stagecraft.dev import ports

if TYPE_CHECKING:
    from stagecraft.dev.topology import Part, Topology


def check(topology: Topology, root: Path, environment: Callable[[Part], Mapping[str, str]]) -> None:
    """Raise for the first thing that stands in the way.

    Raises:
        UserError: A folder is not there, or outside the project.
        ToolMissing: A command is not there.
        ProviderError: A port is taken; names its owner.
    """
    for part in topology.parts:
        command_path(part, folder_of(part, root), environment(part))
    for part in topology.parts:
        port = ports.local_port(part.process.ready)
        if port and ports.taken(port):
            owner = ports.owner(port)
            hint = f"end it (`kill {owner.pid}`)" if owner.pid else f"see `lsof -i :{port}`"
            raise ProviderError(
                f"port {port}, which {part.name} wants, is taken by {owner}",
                hint=f"{hint}, or give {part.name} another port",
            )


def folder_of(part: Part, root: Path) -> Path:
    """Return the folder in which a process runs; raises UserError when it is not there or not the project's."""
    given = part.process.command.cwd or "."
    folder = (root / given).resolve()
    if not folder.is_relative_to(root.resolve()):
        raise UserError(f"{part.name} is to run in {given}, which is outside the project", hint="choose a folder in it")
    if not folder.is_dir():
        raise UserError(
            f"{part.name} is to run in {given}, which is no folder",
            hint=f"make it, or correct `workdir` of the {part.kind}'s `dev`",
        )
    return folder


def command_path(part: Part, folder: Path, environment: Mapping[str, str]) -> str:
    """Return where the command of a process lies; raises ToolMissing or UserError."""
    import os
    import shutil

    word = part.process.command.argv[0]
    if "/" in word:
        path = folder / word
        if not path.is_file():
            raise ToolMissing(
                f"{part.name}'s command {word} is not there",
                hint=f"it was looked for in {part.process.command.cwd or 'the project'}; are dependencies installed?",
            )
        if not os.access(path, os.X_OK):
            raise UserError(f"{part.name}'s command {word} may not be executed", hint=f"chmod +x {word}")
        return str(path)
    found = shutil.which(word, path=environment.get("PATH", os.defpath))
    if found is None:
        raise ToolMissing(
            f"{part.name}'s command {word!r} is not installed",
            hint=f"install it or put it on PATH, or correct `command` of the {part.kind}'s `dev`",
        )
    return found
