"""Remember what is up, so that the next command reuses it or ends it, also after a killed run."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field

from .layout import Layout
from .processes import BOOT_ID, Process, alive

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Part:
    """One part that was brought up: its server (None for mere commands), the environment to set, and its notes.

    A part without a server that does not outlive a reboot of the machine notes the `boot` it was made in.
    """

    process: Process | None
    environment: dict[str, str]
    notes: dict[str, str] = field(default_factory=dict)


def running(part: Part | None) -> bool:
    """Say whether a recorded part is there to be used."""
    if part is None:
        return False
    if part.process is None:
        return part.notes.get("boot", this_boot()) == this_boot()
    return alive(part.process)


def this_boot() -> str:
    """Return what tells this run of the machine's kernel from others."""
    return BOOT_ID.read_text().strip()


def load(layout: Layout) -> dict[str, Part]:
    """Return the recorded parts by name; none if nothing was recorded, or by another version of the testbed."""
    try:
        stored = json.loads(layout.state.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    if stored.get("schema") != SCHEMA:
        return {}
    return {name: _part(values) for name, values in stored["parts"].items()}


def save(layout: Layout, parts: dict[str, Part]) -> None:
    """Replace the record in one step; it holds database passwords, so only its owner may read it."""
    text = json.dumps(
        {"schema": SCHEMA, "parts": {name: asdict(part) for name, part in sorted(parts.items())}}, indent=1
    )
    draft = layout.state.with_suffix(".part")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text + "\n")
    draft.replace(layout.state)


@contextmanager
def locked(layout: Layout) -> Iterator[None]:
    """Hold the testbed's lock, so that two runs do not bring up the same part at once."""
    layout.root.mkdir(parents=True, exist_ok=True)
    with (layout.root / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _part(values: dict[str, object]) -> Part:
    process, environment, notes = values["process"], values["environment"], values["notes"]
    assert isinstance(environment, dict)
    assert isinstance(notes, dict)
    return Part(Process(**process) if isinstance(process, dict) else None, environment, notes)
