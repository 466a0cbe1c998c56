"""The environment of the processes: their own over the env files' over the shell's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from stagecraft_hookspecs.errors import UserError
from stagecraft_hookspecs.values import Command, Secret

from stagecraft.config.shapes import looks_secret

if TYPE_CHECKING:
    from stagecraft.dev.topology import Topology


def read_env(root: Path, files: Sequence[str], shell: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of env files, later files over earlier ones; ``${…}`` in them sees earlier files, then the shell.

    Raises:
        ConfigError: With the place of what is no variable.
        UserError: A file cannot be read.
    """
    from stagecraft.compose.envfile import read_env_file

    values: dict[str, str] = {}
    for name in files:
        known = {**shell, **values}
        try:
            values.update(read_env_file(root / name, name, known.get))
        except OSError as error:
            raise UserError(
                f"cannot read the env file {name}: {error.strerror}",
                hint="check its permissions, or take it out of `env_file`",
            ) from None
    return values


def merge(shell: Mapping[str, str], files: Mapping[str, str], own: Mapping[str, str | Secret]) -> dict[str, str]:
    """Return the environment of one process, secrets revealed. Never print it."""
    return {**shell, **files, **{k: v.reveal() if isinstance(v, Secret) else v for k, v in own.items()}}


def secrets(topology: Topology, files: Mapping[str, str]) -> tuple[Secret, ...]:
    """Return what must not be printed: all of the env files, and of the processes' own what is or is named like a secret."""
    own = [item for process in topology.processes for item in process.command.env.items()]
    named = [v if isinstance(v, Secret) else Secret(k, v) for k, v in own if isinstance(v, Secret) or looks_secret(k)]
    return (*(Secret(name, value) for name, value in files.items()), *named)


def sources(command: Command, files: Mapping[str, str]) -> dict[str, str]:
    """Return which variables a process gets besides the shell's, and whence: name to ``process`` or ``env_file``, sorted."""
    found = {**dict.fromkeys(files, "env_file"), **dict.fromkeys(command.env, "process")}
    return dict(sorted(found.items()))
