"""The state file: every release of every environment, one per line, sealed; and its last good copy."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from stagecraft_hookspecs.errors import Refused, StateCorrupt

from stagecraft_local import envelope, files
from stagecraft_local.rows import from_rows, to_row

if TYPE_CHECKING:
    from pathlib import Path

    from stagecraft_hookspecs.values import Release

    from stagecraft_local.places import Places

Rows = list[dict[str, Any]]


def load(at: Places, environment: str) -> tuple[Release, ...]:
    """Return an environment's releases by serial. Raises StateCorrupt, Refused (newer schema), ProviderError."""
    found: list[Release] = []
    chosen = [row for row in rows(at) if row.get("environment") == environment]
    try:
        for release in from_rows(chosen):
            found.append(release)
    except (KeyError, TypeError, ValueError, AttributeError) as e:
        name = chosen[len(found)].get("id")
        raise _corrupt(at, None, f"release {name} is not understood ({type(e).__name__}: {e})") from e
    return tuple(sorted(found, key=lambda r: (r.serial, r.id)))


def save(at: Places, release: Release) -> None:
    """Insert or replace a release. The caller holds ``at.guard``; releases of other environments stay as they are."""
    old = rows(at)
    new = to_row(release)
    place = next((i for i, row in enumerate(old) if row.get("id") == release.id), len(old))
    kept = {k: v for k, v in old[place].items() if k not in new} if place < len(old) else {}
    data = render([*old[:place], {**new, **kept}, *old[place + 1 :]])
    with files.explained(at, "write", at.file):
        files.replace({at.file: data, at.last_good: data})


def catch_up(at: Places) -> None:
    """Bring the last good copy up to the state file, where a killed writer left it behind. The caller holds ``at.guard``."""
    data = files.read(at.file)
    if data is None or data == files.read(at.last_good):
        return
    with contextlib.suppress(envelope.Damaged, envelope.Newer):  # such a file is left to whoever reads it
        envelope.unseal(data)
        files.replace({at.last_good: data})


def render(content: Rows) -> bytes:
    """Return the state file's bytes: one release per line, ASCII, keys in the order they were given."""
    import json

    lines = ",\n".join(json.dumps(row, allow_nan=False) for row in content)
    return envelope.seal(b'"releases": [\n' + lines.encode("ascii") + b"\n]}")


def rows(at: Places) -> Rows:
    """Return the state file's releases as JSON objects, in the file's order."""
    with files.explained(at, "read", at.file):
        data = files.read(at.file)
    if data is None:
        with files.explained(at, "read", at.last_good):
            gone = at.last_good.exists()
        if gone:
            raise _corrupt(at, None, "it is missing though its last good copy is there")
        return []
    try:
        content = envelope.unseal(data)
    except envelope.Newer as e:
        raise Refused(
            f"{at.show(at.file)} has schema {e.schema}; this version reads schema {envelope.SCHEMA}",
            hint="it was written by a newer Stagecraft: upgrade with `pip install --upgrade stagecraft-local`",
        ) from e
    except envelope.Damaged as e:
        raise _corrupt(at, e.offset if e.offset >= 0 else _differs(at, data), e.reason) from e
    releases = content.get("releases")
    if not isinstance(releases, list) or not all(isinstance(row, dict) for row in releases):
        raise _corrupt(at, None, "it holds no list of releases")
    return releases


def _corrupt(at: Places, offset: int | None, reason: str) -> StateCorrupt:
    where = "" if offset is None else f" at byte {offset}"
    name, copy = at.show(at.file), at.show(at.last_good)
    count = _sound(at.last_good)
    if count is None:
        hint = (
            f"it was left as it is and {copy} is no better: restore {name} from a backup, "
            f"or begin a new history with `mv {name} {name}.damaged; rm -f {copy}`"
        )
    else:
        hint = f"it was left as it is; the last good copy has {count} releases: restore it with `cp {copy} {name}`"
    return StateCorrupt(f"{name} is damaged{where}: {reason}", hint=hint)


def _sound(path: Path) -> int | None:
    """Return how many releases a sound copy has, or None."""
    try:
        data = files.read(path)
        return len(envelope.unseal(data)["releases"]) if data else None
    except (OSError, envelope.Damaged, envelope.Newer, KeyError, TypeError):
        return None


def _differs(at: Places, data: bytes) -> int | None:
    """Return the first byte that differs from the last good copy, which normally equals the file."""
    try:
        copy = files.read(at.last_good)
    except OSError:
        return None
    if not copy:
        return None
    pairs = enumerate(zip(data, copy, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(data), len(copy)))
