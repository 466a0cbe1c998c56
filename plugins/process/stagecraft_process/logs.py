"""Print the logs of services, merged by time, each line as ``SERVICE | text``.

``python -m stagecraft_process.logs HOME [--tail=N] [--since=SECONDS] [--follow] [--timestamps] [--pid=ID …] -- [SERVICE …]``
"""

from __future__ import annotations

import contextlib
import heapq
import os
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from typing import TypeAlias

from stagecraft_process import layout

_LOOK = 0.1
_FILES = 3

#: Time, instance, text.
Line: TypeAlias = tuple[str, str, str]


def tail_of(home: str, service: str, instance: str, count: int) -> list[str]:
    """Return an instance's last log lines, without time and name."""
    lines = (text for _, name, text in stored(home, service) if name == instance)
    return list(deque(lines, maxlen=count))


def stored(home: str, service: str) -> Iterator[Line]:
    """Yield each line of a service's log, its older files included, oldest first."""
    path = layout.log_file(home, service)
    for name in [*(f"{path}.{n}" for n in range(_FILES - 1, 0, -1)), path]:
        try:
            with open(name, encoding="utf-8", errors="replace", newline="\n") as stream:
                yield from (split for line in stream if (split := _parse(line)))
        except FileNotFoundError:
            continue


def _parse(line: str) -> Line | None:
    stamp, _, rest = line.rstrip("\n").partition(" ")
    name, found, text = rest.partition(" ")
    return (stamp, name, text.rstrip("\r")) if found else None


def selected(lines: Iterable[Line], since: str, tail: int, names: set[str]) -> list[Line]:
    """Return the lines from a time on; with ``tail`` >= 0 only the last of each instance (in ``names``, if any)."""
    wanted = [line for line in lines if line[0] >= since and (tail < 0 or not names or line[1] in names)]
    if tail < 0:
        return wanted
    last: dict[str, deque[Line]] = {}
    for line in wanted:
        last.setdefault(line[1], deque(maxlen=tail)).append(line)
    return sorted((line for lines in last.values() for line in lines), key=lambda line: line[0])


class Follower:
    """Read what is added to a service's log, over its rotation."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._rest = b""
        self._descriptor = self._open()
        if self._descriptor >= 0:
            os.lseek(self._descriptor, 0, os.SEEK_END)

    def _open(self) -> int:
        try:
            return os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return -1

    def new(self) -> Iterator[Line]:
        """Yield the lines that came since the last call."""
        yield from self._more()
        with contextlib.suppress(FileNotFoundError):
            if self._descriptor < 0 or os.fstat(self._descriptor).st_ino != os.stat(self._path).st_ino:
                yield from self._more()  # what was written between the last read and the rotation
                if self._descriptor >= 0:
                    os.close(self._descriptor)
                self._descriptor = self._open()
                yield from self._more()

    def _more(self) -> Iterator[Line]:
        while self._descriptor >= 0 and (data := os.read(self._descriptor, 1 << 20)):
            *lines, self._rest = (self._rest + data).split(b"\n")
            for line in lines:
                if found := _parse(line.decode(errors="replace")):
                    yield found


def main(argv: list[str]) -> int:
    """Print what is asked for; returns the exit code."""
    home, flags, services = argv[0], argv[1 : argv.index("--")], sorted(argv[argv.index("--") + 1 :])
    options = dict(flag[2:].partition("=")[::2] for flag in flags)
    pids = {flag.removeprefix("--pid=") for flag in flags if flag.startswith("--pid=")}
    services = services or _services(home)
    width = max(map(len, services), default=0)

    timed = "timestamps" in options

    def show(service: str, stamp: str, text: str) -> None:
        sys.stdout.write(f"{service:{width}} | {stamp} {text}\n" if timed else f"{service:{width}} | {text}\n")

    followers = {s: Follower(layout.log_file(home, s)) for s in services} if "follow" in options else {}
    since, tail = _since(float(options.get("since", 0))), int(options.get("tail", -1))
    names = _names(home, pids) if pids else set()
    found = [[(*line, s) for line in selected(stored(home, s), since, tail, names)] for s in services]
    for stamp, _, text, service in heapq.merge(*found, key=lambda line: line[0]):
        show(service, stamp, text)
    sys.stdout.flush()
    return _follow(followers, show) if followers else 0


def _follow(followers: dict[str, Follower], show: object) -> int:
    import time

    assert callable(show)
    while True:
        for service, follower in followers.items():
            for stamp, _, text in follower.new():
                show(service, stamp, text)
        sys.stdout.flush()
        time.sleep(_LOOK)


def _since(seconds: float) -> str:
    import time

    if seconds <= 0:
        return ""
    then = time.time() - seconds
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(then))}.{int(then * 1000) % 1000:03d}Z"


def _services(home: str) -> list[str]:
    folder = os.path.join(home, "logs")
    return sorted(n[:-4] for n in os.listdir(folder) if n.endswith(".log")) if os.path.isdir(folder) else []


def _names(home: str, pids: set[str]) -> set[str]:
    from stagecraft_process.supervisor import store

    state = store.read(home) or {"groups": []}
    return {i["name"] for g in state["groups"] for i in g["instances"] if str(i["pid"]) in pids}


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (KeyboardInterrupt, BrokenPipeError):
        os._exit(130)
