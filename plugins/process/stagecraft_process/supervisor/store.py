"""Keep the state in a file that is whole at every moment."""

from __future__ import annotations

import json
import os
from typing import Any

from stagecraft_process import layout
from stagecraft_process.supervisor.model import State


def save(home: str, state: State, *, durable: bool = False) -> None:
    """Write the state, replacing the former one in one step; with ``durable`` it also survives a loss of power."""
    write(layout.state_file(home), json.dumps(state.to_dict(), separators=(",", ":")).encode(), durable=durable)


def load(home: str) -> State:
    """Read the state; an empty one where there is none. Raises ValueError for a damaged file."""
    data = read(home)
    return State() if data is None else State.from_dict(data)


def read(home: str) -> dict[str, Any] | None:
    """Return the state as data, or None without one; raises ValueError for a damaged file."""
    try:
        with open(layout.state_file(home), "rb") as stream:
            data = json.loads(stream.read())
    except FileNotFoundError:
        return None
    if not isinstance(data, dict) or data.get("version") != 1:
        raise ValueError("it is of another version")
    return data


def write(path: str, data: bytes, *, durable: bool = False) -> None:
    """Write a 0600 file in full or not at all."""
    temporary = f"{path}.new"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        if durable:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.replace(temporary, path)
    if durable:
        folder = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
