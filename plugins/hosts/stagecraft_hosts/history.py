"""The history: one record per release, each a line of JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs
from stagecraft_hookspecs.errors import ProviderError, Refused, StagecraftError, StateCorrupt

from stagecraft_hosts import names, scripts, slots
from stagecraft_hosts.copies import choose, place
from stagecraft_hosts.fleet import run, unreachable, versions
from stagecraft_hosts.names import RECORDS, digest

if TYPE_CHECKING:
    from stagecraft_hookspecs.context import Context
    from stagecraft_hookspecs.values import Host, Release

    from stagecraft_hosts.copies import Choice
    from stagecraft_hosts.fleet import Fleet

SCHEMA = 1
#: How many records are asked for at once.
PAGE = 400


def load(fleet: Fleet, ctx: Context) -> tuple[Release, ...]:
    """Return every release by serial. Raises StateCorrupt, naming the file, and ProviderError where no host answers."""
    for _ in range(slots.TRIES):
        held = {host: versions(seen) for host, seen in fleet.survey(ctx, (RECORDS,)).items()}
        choices = [
            choose(ctx, {host: mine.get(slot, {}) for host, mine in held.items()})
            for slot in sorted({slot for mine in held.values() for slot in mine})
        ]
        for choice in choices:
            for host, version in choice.damaged:
                used = choice.holders[0].name
                fleet.say(ctx, f"{place(ctx, host, version.path)} is damaged; the copy of {used} is used", host)
        _fetch(fleet, ctx, choices)
        found = [fleet.rows.get(choice.version.digest) for choice in choices]
        if None not in found:
            _adoptable(fleet, ctx, found)
            return tuple(sorted((r for r in found if r), key=lambda r: (r.serial, r.id)))
    raise ProviderError("the history changes faster than it can be read", hint="run the command again")


def save(fleet: Fleet, ctx: Context, release: Release) -> None:
    """Insert or replace a release."""
    slots.write(fleet, ctx, f"{names.release(release.id)}/release", to_line(release))


def to_line(release: Release) -> bytes:
    """Return a release as its record stands on the hosts."""
    return json.dumps({"schema": SCHEMA, **attrs.asdict(release)}, allow_nan=False).encode("ascii") + b"\n"


def from_line(line: bytes) -> Release:
    """Return the release of a record. Raises Refused for a newer schema, and what a wrong one raises."""
    from stagecraft_hookspecs.values import OperationRecord, Phase, Release, Status

    row: dict[str, Any] = json.loads(line)
    if row.get("schema", 0) > SCHEMA:
        raise Refused(
            f"the history on the hosts has schema {row['schema']}; this version reads schema {SCHEMA}",
            hint="it was written by a newer Stagecraft: upgrade with `pip install --upgrade stagecraft-hosts`",
        )
    known = {field.name for field in attrs.fields(Release)}
    given = {key: value for key, value in row.items() if key in known}
    given["phases"] = {Phase(phase): Status(status) for phase, status in given.get("phases", {}).items()}
    given["operations"] = tuple(
        OperationRecord(o["id"], Phase(o["phase"]), Status(o["status"]), o["seconds"], o["error"])
        for o in given.get("operations", ())
    )
    return Release(**given)


def _fetch(fleet: Fleet, ctx: Context, choices: list[Choice]) -> None:
    """Read the records that are not known yet: each from one host, from another where that one fails."""
    failed: dict[Host, StagecraftError] = {}
    for host in fleet.hosts:
        mine = [c for c in choices if host in c.holders and c.version.digest not in fleet.rows]
        for start in range(0, len(mine), PAGE):
            page = mine[start : start + PAGE]
            outcome = fleet.each([host], lambda at, page=page: _show(ctx, at, page))[host]  # type: ignore[misc]
            if isinstance(outcome, StagecraftError):
                failed[host] = outcome
                break
            for choice in page:
                if line := outcome.get(choice.version.digest):
                    fleet.rows[choice.version.digest] = _understood(ctx, host, choice, line)
    if failed and len(failed) == len(fleet.hosts):
        raise unreachable("no host tells its history", failed)


def _show(ctx: Context, host: Host, page: list[Choice]) -> Mapping[str, bytes]:
    result = run(ctx, host, scripts.SHOW, *(choice.version.path for choice in page))
    lines = [line.encode() for line in result.stdout.splitlines(keepends=True)]
    return {digest(line): line for line in lines}


def _understood(ctx: Context, host: Host, choice: Choice, line: bytes) -> Release:
    try:
        return from_line(line)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise StateCorrupt(
            f"{place(ctx, host, choice.version.path)} is not understood ({type(error).__name__}: {error})",
            hint="it was left as it is: restore it from a backup, or remove it on every host",
        ) from error


def _adoptable(fleet: Fleet, ctx: Context, found: list[Release | None]) -> None:
    """Say so when the hosts know nothing, but this project's folder has a history from `state: local`."""
    if found:
        return
    try:
        rows = json.loads((ctx.root / ".stagecraft" / "releases.json").read_bytes())["releases"]
        count = sum(row["environment"] == ctx.environment for row in rows)
    except (OSError, ValueError, KeyError, TypeError):
        return
    if count:
        fleet.say(
            ctx,
            f"the hosts have no history yet; {count} releases of {ctx.environment} are in .stagecraft/releases.json "
            "and stay readable with `state: local`",
        )
