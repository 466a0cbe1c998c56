"""A host in a folder: its commands run for real, with faults that a test switches on."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stagecraft_hookspecs.contract.doubles import FakeContext
from stagecraft_hookspecs.errors import NotFound, ProviderError
from stagecraft_hookspecs.values import LOCAL, Command, Host, Result


class FolderHost:
    """Be a host whose disk is a folder.

    Attributes:
        down: Whether it answers nothing.
        runs: Scripts that it ran. reads: Files that were read from it.
        tamper: Changes a command before it runs, or raises.
    """

    def __init__(self, host: Host, folder: Path) -> None:
        self.host, self.folder = host, folder
        self.down = False
        self.runs, self.reads = 0, 0
        self.tamper: Callable[[Command], Command] = lambda command: command

    def run(self, command: Command, *, check: bool = True, on_line: Any = None) -> Result:
        self._reach()
        self.runs += 1
        command = self.tamper(command)
        assert isinstance(command.stdin, bytes | None)
        done = subprocess.run(command.argv, input=command.stdin or b"", capture_output=True, check=False, timeout=60)
        return Result(command.argv, done.returncode, done.stdout.decode(), done.stderr.decode())

    def read(self, path: str) -> bytes:
        self._reach()
        self.reads += 1
        try:
            return Path(path).read_bytes()
        except FileNotFoundError:
            raise NotFound("file", path) from None

    def _reach(self) -> None:
        if self.down:
            raise ProviderError(f"{self.host.name} does not answer", hint="see whether it is up")


class FolderContext(FakeContext):
    """Be a context whose hosts are folders beside the project's."""

    def __init__(self, root: Path, disks: Path, count: int, environment: str = "prod") -> None:
        hosts = tuple(Host(f"app-{n}") for n in range(1, count + 1))
        self.machines = {h.name: FolderHost(h, disks / h.name) for h in hosts}
        super().__init__(root, machine=self.machines, hosts=hosts, environment=environment, real_time=True)

    def home(self, host: Host = LOCAL) -> str:
        return str(self.machines[host.name].folder / ".stagecraft" / self.project / self.environment)
