"""What the release history means: which release serves, which was interrupted, which may be put back, which has expired."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

import attrs
from stagecraft_hookspecs.errors import NotFound, Refused
from stagecraft_hookspecs.values import Phase, Release, Status


@attrs.frozen
class History:
    """Hold an environment's releases by serial."""

    releases: tuple[Release, ...]

    @property
    def serving(self) -> Release | None:
        """Return the release that serves: the last complete one."""
        return next((r for r in reversed(self.releases) if r.complete), None)

    @property
    def unfinished(self) -> Release | None:
        """Return the last release if it neither is complete nor has been undone, and got as far as touching anything."""
        if not self.releases:
            return None
        last = self.releases[-1]
        return None if last.complete or last.undone else last

    def targets(self) -> tuple[Release, ...]:
        """Return the releases that a rollback may put back, newest first: complete, and not the one that serves."""
        serving = self.serving
        return tuple(r for r in reversed(self.releases) if r.complete and serving and r.id != serving.id)

    def get(self, release_id: str) -> Release:
        """Return a release by id; raises NotFound."""
        for release in self.releases:
            if release.id == release_id:
                return release
        raise NotFound("release", release_id, [r.id for r in self.releases], hint="see `stagecraft releases list`")

    def keep(self, count: int, current: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Split the former releases into those to keep ready for a rollback, newest first, and those that have expired.

        Only complete releases count towards ``count``, so that failed attempts never push a good one out.
        """
        former = [r for r in reversed(self.releases) if r.id != current]
        kept = [r.id for r in former if r.complete][:count]
        return tuple(kept), tuple(r.id for r in former if r.id not in kept)

    def next_serial(self) -> int:
        """Return the serial number of the next release."""
        return self.releases[-1].serial + 1 if self.releases else 1

    def source(self, *, release_id: str = "", version: str = "") -> Release:
        """Choose what a rollback puts back: a release by id, the newest of a version, or the one before the serving one.

        Raises:
            NotFound: There is no such release.
            Refused: It never was complete, or it is the one that serves.
        """
        if release_id:
            chosen = self.get(release_id)
            if not chosen.complete:
                raise Refused(f"{release_id} never was complete, so it is no rollback target", hint=self._offer())
        elif version:
            found = [r for r in self.targets() if r.version == version]
            if not found:
                known = sorted({r.version for r in self.targets()})
                raise NotFound("former release of version", version, known, hint=self._offer())
            chosen = found[0]
        else:
            chosen = self._previous()
        if self.serving and chosen.id == self.serving.id:
            raise Refused(f"{chosen.id} already serves", hint=self._offer())
        return chosen

    def _previous(self) -> Release:
        """Return what served before what serves now, seeing through rollbacks: two in a row go two releases back."""
        serving = self.serving
        if serving is None:
            raise Refused(
                "nothing was ever deployed here, so there is nothing to roll back to", hint="run `stagecraft deploy`"
            )
        origin = self.origin(serving)
        for release in self.targets():
            if release.command == "deploy" and release.serial < origin.serial:
                return release
        raise Refused(f"there is no release before {serving.id}", hint=self._offer())

    def origin(self, release: Release) -> Release:
        """Return the deploy whose bundle a release runs: itself, or for a rollback the one it put back."""
        seen = set()
        while release.source_id and release.id not in seen:
            seen.add(release.id)
            release = self.get(release.source_id)
        return release

    def _offer(self) -> str:
        targets = self.targets()
        return f"possible: {', '.join(r.id for r in targets[:3])}" if targets else "see `stagecraft releases list`"


def release_id(now: datetime.datetime, taken: Sequence[str]) -> str:
    """Return ``rel-YYYYMMDD-HHMMSSmmm`` for a moment in UTC, moved on by milliseconds until it is free."""
    while True:
        stamp = now.strftime("%Y%m%d-%H%M%S") + f"{now.microsecond // 1000:03d}"
        if f"rel-{stamp}" not in taken:
            return f"rel-{stamp}"
        now += datetime.timedelta(milliseconds=1)


def reached(release: Release, phase: Phase) -> bool:
    """Tell whether a release had begun a phase."""
    return release.phases.get(phase, Status.PENDING) in (Status.RUNNING, Status.FAILED, Status.COMPLETED)
