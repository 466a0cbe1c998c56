"""Machines that misbehave, each in one way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NoReturn

from stagecraft_hookspecs.contract.doubles import FakeMachine
from stagecraft_hookspecs.errors import CommandFailed, Interrupted, ProviderError
from stagecraft_hookspecs.values import Command, File, Result

if TYPE_CHECKING:
    from docker import DockerClient


class Failing(FakeMachine):
    """Fail every command with exit code 1, hold no file, refuse every write, have no engine."""

    def run(self, command: Command, *, check: bool = True, on_line: Callable[[str], None] | None = None) -> Result:
        """Record the command and fail."""
        self.commands.append(command)
        result = Result(command.argv, 1, "", "it broke\n")
        if on_line is not None:
            on_line("it broke")
        if check:
            raise CommandFailed(result)
        return result

    def write(self, path: str, data: bytes, *, mode: int = 0o644) -> None:
        """Refuse."""
        raise ProviderError(f"cannot write {path}: No space left on device", hint="free some space")


class Babbling(FakeMachine):
    """Succeed at every command and print nonsense; every file holds nonsense too."""

    NONSENSE = "\x00\ufffd{]<<< not what you expect >>>\n\n-1 \u202e\n"

    def run(self, command: Command, *, check: bool = True, on_line: Callable[[str], None] | None = None) -> Result:
        """Record the command and print nonsense."""
        self.commands.append(command)
        if on_line is not None:
            for line in self.NONSENSE.splitlines():
                on_line(line)
        return Result(command.argv, 0, self.NONSENSE, self.NONSENSE)

    def read(self, path: str) -> bytes:
        """Return nonsense."""
        return self.NONSENSE.encode()


class Interrupting(FakeMachine):
    """Interrupt the run at whatever is asked of it, as Ctrl-C would."""

    asked = 0

    def run(self, command: Command, *, check: bool = True, on_line: Callable[[str], None] | None = None) -> Result:
        """Interrupt."""
        self._stop()

    def read(self, path: str) -> bytes:
        """Interrupt."""
        self._stop()

    def write(self, path: str, data: bytes, *, mode: int = 0o644) -> None:
        """Interrupt."""
        self._stop()

    def upload(self, files: Mapping[str, File], folder: str, *, exact: bool = False) -> tuple[str, ...]:
        """Interrupt."""
        self._stop()

    def remove(self, path: str) -> None:
        """Interrupt."""
        self._stop()

    def docker(self) -> DockerClient:
        """Interrupt."""
        self._stop()

    def _stop(self) -> NoReturn:
        self.asked += 1
        raise Interrupted("interrupted")
