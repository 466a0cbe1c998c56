"""A model of a disk that loses power: what was fsynced stays, the rest may be there, be gone, be torn, or be zeros.

Names and contents are apart, as on a disk: fsync of a file keeps its content but not its name; fsync of a folder keeps the names
made in it before. Of what is pending, any single change of a name may be missing, or all from some point on (the vulnerabilities
that Pillai et al. found in OSDI 2014 are of these kinds).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

import attrs

Names = dict[str, int]


@attrs.frozen
class Step:
    """Describe one system call: ``kind`` is open, mkdir, write, truncate, sync, rename, unlink or ack.

    Attributes:
        path: Relative to the root; for a rename the old path.
        to: The new path of a rename.
        data: What was written, or acknowledged.
        offset: Where it was written; the length of a truncation.
    """

    kind: str
    path: str
    to: str = ""
    data: bytes = b""
    offset: int = 0


class Disk:
    """Follow the steps of a program; ``crashes`` yields what the disk may hold when the power goes now."""

    def __init__(self) -> None:
        self.live: Names = {}
        self.kept: Names = {}
        self.pending: list[tuple[str, Names, tuple[str, ...]]] = []  # folder, names set, names removed
        self.durable: dict[int, bytes] = {}
        self.content: dict[int, bytes] = {}
        self.fresh = 0

    def load(self, files: dict[str, bytes]) -> None:
        """Put files on the disk that were there before, durably."""
        self.live["."] = -1
        for path, data in files.items():
            for folder in [str(p) for p in reversed(PurePosixPath(path).parents)]:
                self.live.setdefault(folder, -1)
            self.live[path] = self.make(data)
            self.durable[self.live[path]] = data
        self.kept = dict(self.live)

    def make(self, data: bytes = b"") -> int:
        """Return a new file's number."""
        self.fresh += 1
        self.content[self.fresh], self.durable[self.fresh] = data, b""
        return self.fresh

    def step(self, step: Step) -> None:
        """Do what a system call does."""
        if step.kind == "mkdir":
            self.name(step.path, {step.path: -1})
        elif step.kind == "open" and step.path not in self.live:
            self.name(step.path, {step.path: self.make()})
        elif step.kind == "rename":
            self.name(step.to, {step.to: self.live[step.path]}, (step.path,))
        elif step.kind == "unlink":
            self.name(step.path, {}, (step.path,))
        elif step.kind == "sync":
            self.sync(step.path)
        elif step.kind == "write":
            old = self.content[self.live[step.path]].ljust(step.offset, b"\0")
            self.content[self.live[step.path]] = old[: step.offset] + step.data + old[step.offset + len(step.data) :]
        elif step.kind == "truncate":
            self.content[self.live[step.path]] = self.content[self.live[step.path]][: step.offset]

    def name(self, path: str, new: Names, gone: tuple[str, ...] = ()) -> None:
        """Change names in the folder of ``path``; not yet kept."""
        self.pending.append((str(PurePosixPath(path).parent), new, gone))
        apply(self.live, [self.pending[-1]])

    def sync(self, path: str) -> None:
        """Keep a folder's names or a file's content."""
        number = self.live[path]
        if number >= 0:
            self.durable[number] = self.content[number]
            return
        apply(self.kept, [p for p in self.pending if p[0] == path])
        self.pending = [p for p in self.pending if p[0] != path]

    def crashes(self) -> Iterator[dict[str, bytes]]:
        """Yield the files that may be on the disk, each variant of names with each of contents."""
        for chosen in self.choices():
            names = dict(self.kept)
            apply(names, chosen)
            there = {
                p: n for p, n in names.items() if n >= 0 and all(str(f) in names for f in PurePosixPath(p).parents)
            }
            seen: set[tuple[bytes, ...]] = set()
            for variant in ("all", "none", "half", "zeros"):
                files = {p: self.survives(n, variant) for p, n in there.items()}
                if (key := tuple(files.values())) not in seen:
                    seen.add(key)
                    yield files

    def choices(self) -> Iterator[list[tuple[str, Names, tuple[str, ...]]]]:
        """Yield which pending changes of names took place: those up to some point, or all but one."""
        count = len(self.pending)
        for end in range(count + 1):
            yield self.pending[:end]
        for left_out in range(count - 1):
            yield self.pending[:left_out] + self.pending[left_out + 1 :]

    def survives(self, number: int, variant: str) -> bytes:
        """Return what is left of a file's content."""
        old, new = self.durable[number], self.content[number]
        if old == new or variant == "all":
            return new
        if variant == "none":
            return old
        same = next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
        if variant == "half":
            return new[: (same + len(new) + 1) // 2]
        return new[:same] + b"\0" * (len(new) - same)


def apply(names: Names, changes: list[tuple[str, Names, tuple[str, ...]]]) -> None:
    """Make changes of names."""
    for _, new, gone in changes:
        for path in gone:
            names.pop(path, None)
        names.update(new)
