"""What is put to the test: a command, how to prepare a folder for it, and what must hold after a fault."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import attrs

from tests.faults import driver, reader
from tests.faults.calls import Outcome, scratch


@attrs.frozen
class Subject:
    """Put one command to the test.

    Attributes:
        name: How the table of results names it.
        argv: Given the root of a project, the command.
        prepare: Fills an empty root.
        ready: Given the root, makes it ready for the next fault.
        verify: Given the root and what the faulted run did, returns what is lost: a line per acknowledged thing that is not
            there. Raises ``reader.Unreadable``.
        converge: Given the root, goes on as a user would, and returns what is wrong then: a line per fault.
        state: The state folder, relative to the root; calls below it are the points.
        ignore: Folders below it that hold something else than state.
        env: Added to the environment of the command.
        reuse: For how many faults a root is used while nothing is wrong with it.
        cleanup: Ends what a run has left running.
    """

    name: str
    argv: Callable[[Path], tuple[str, ...]]
    prepare: Callable[[Path], None]
    verify: Callable[[Path, Outcome], list[str]]
    converge: Callable[[Path], list[str]]
    state: str = ".stagecraft"
    env: Mapping[str, str] = attrs.field(factory=dict)
    ready: Callable[[Path], None] = lambda root: None
    cleanup: Callable[[Path], None] = lambda root: None
    ignore: tuple[str, ...] = ()
    reuse: int = 1
    timeout: float = 60.0

    def environment(self) -> dict[str, str]:
        """Return the command's environment: ours, without what would move the state elsewhere."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith("STAGECRAFT_")}
        return {**kept, "PYTHONHASHSEED": "0", **self.env}


def lost(root: Path, acknowledged: str, state: str = ".stagecraft") -> list[str]:
    """Compare the acknowledgements that ``driver`` printed with what an independent reader finds."""
    kept = reader.read(root / state)
    wrong = []
    puts: dict[tuple[str, str], str] = {}
    appended: dict[str, list[tuple[str, str]]] = {}
    recorded: dict[str, str] = {}
    for line in acknowledged.splitlines():
        _, kind, release, *rest = line.split(" ")
        if kind == "record":
            recorded[release] = rest[0]
        elif kind == "put":
            puts[release, rest[0]] = rest[1]
        elif kind == "append":
            appended.setdefault(release, []).append((rest[0], rest[1]))
    for release, letters in recorded.items():
        row = kept.releases.get(release)
        if row is None:
            wrong.append(f"release {release} is lost")
        elif "".join(s[0] for s in row["phases"].values()).count("c") < letters.count("c"):
            wrong.append(f"release {release} went back from {letters}")
    for (release, name), text in puts.items():
        # the next put of a name may have taken place without being acknowledged
        if kept.bundles.get(release, {}).get(name, b"").decode() not in (text, "final"):
            wrong.append(f"{name} of {release} is lost")
    for release, steps in appended.items():
        entries = [(e["operation"], e["status"]) for e in kept.journals.get(release, [])]
        wrong += [f"journal of {release}: {step} is lost" for step in steps if step not in entries]
    return wrong


def state_driver(releases: int = 1) -> Subject:
    """Return the subject that goes through the state provider itself, over ``releases`` earlier releases."""
    script = str(Path(driver.__file__))

    def argv(root: Path) -> tuple[str, ...]:
        return (sys.executable, script, str(root))

    with tempfile.TemporaryDirectory(prefix="stagecraft-fault-", dir=scratch()) as folder:
        earlier = "".join(
            subprocess.run(argv(Path(folder)), check=True, capture_output=True, text=True).stdout
            for _ in range(releases)
        )
        content = {p.relative_to(folder): p.read_bytes() for p in Path(folder).rglob("*") if p.is_file()}

    def prepare(root: Path) -> None:
        for path, data in content.items():
            (root / path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            (root / path).write_bytes(data)
            (root / path).chmod(0o600)
        if content:
            (root / ".stagecraft").chmod(0o700)

    def verify(root: Path, outcome: Outcome) -> list[str]:
        return lost(root, earlier + outcome.stdout)

    def converge(root: Path) -> list[str]:
        again = subprocess.run(argv(root), capture_output=True, text=True, check=False)
        if again.returncode:
            return [f"the next run failed with {again.returncode}: {again.stderr.strip()}"]
        wrong = lost(root, again.stdout)
        kept = reader.read(root / ".stagecraft")
        for release, row in kept.releases.items():
            if set(row["phases"].values()) != {"completed"}:
                wrong.append(f"{release} is unfinished after the next run")
            steps = [e["operation"] for e in kept.journals[release] if e["status"] == "completed"]
            if len(steps) != 6 or len(set(steps)) != 6:
                wrong.append(f"journal of {release}: {steps}")
        if kept.copy != kept.releases or kept.strays:
            wrong.append(f"left over: {kept.strays}, or the last good copy is behind")
        return wrong

    return Subject("state", argv, prepare, verify, converge)
