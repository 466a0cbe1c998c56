"""Act on another machine, as on this one."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from stagecraft_hookspecs.errors import CommandFailed, ProviderError, TimedOut, ToolMissing
from stagecraft_hookspecs.values import Command, File, Host, Result

from stagecraft.machine.process import GRACE
from stagecraft.remote import commands, files

if TYPE_CHECKING:
    from docker import DockerClient

    from stagecraft.machine.scope import Scope
    from stagecraft.remote.connection import Connection
    from stagecraft.remote.engine import Engine
    from stagecraft.remote.foreman import Foreman
    from stagecraft.remote.results import Reply

#: Bytes of standard input up to which a command goes in one piece; more is streamed beside it.
_SMALL = 1 << 18
_POLL = 0.05


class RemoteMachine:
    """Run commands, handle files and reach the container engine of a host over SSH.

    Args:
        connection: Shared by all machines of the host, whatever their scope.
        scope: Interrupts what runs here.
    """

    def __init__(self, connection: Connection, engine: Engine, scope: Scope) -> None:
        self._connection, self._engine, self._scope = connection, engine, scope

    def within(self, scope: Scope) -> RemoteMachine:
        """Return the same machine with another scope; its connection is shared."""
        return RemoteMachine(self._connection, self._engine, scope)

    @property
    def host(self) -> Host:
        """Name the host."""
        return self._connection.host

    @property
    def home(self) -> str:
        """Return the login folder, connecting on first use."""
        return self._connection.foreman().home

    def run(self, command: Command, *, check: bool = True, on_line: Callable[[str], None] | None = None) -> Result:
        """Run a command in a process group of its own and wait for it; see ``Machine.run``."""
        result = self.run_bytes(command, on_line=on_line)
        text = Result(
            result.argv,
            result.exit_code,
            result.out.decode(errors="replace"),
            result.err.decode(errors="replace"),
            result.seconds,
        )
        if check and not text.ok:
            raise CommandFailed(text)
        return text

    def run_bytes(self, command: Command, *, on_line: Callable[[str], None] | None = None) -> files.Output:
        """Run a command as ``run`` does, without a check of its exit code, and return its output as bytes."""
        from stagecraft.remote.streams import attached

        self._scope.check()
        started = time.monotonic()
        given = commands.stdin(command)
        foreman = self._connection.foreman()
        if on_line is not None or len(given) > _SMALL:
            out, err, reply = attached(self._connection, foreman, command, given, on_line, self._wait)
        else:
            reply = foreman.run(commands.line(command), given)
            while not self._wait(foreman, reply, command, started, _POLL):
                pass
            out, err = reply.stdout, reply.stderr
        self._explain(reply, command)
        assert reply.code is not None
        return files.Output(command.argv, reply.code, out, err, time.monotonic() - started)

    def read(self, path: str) -> bytes:
        """Return a file's bytes."""
        return files.read(self, path)

    def write(self, path: str, data: bytes, *, mode: int = 0o644) -> None:
        """Write a file in full or not at all."""
        files.write(self, path, data, mode)

    def upload(self, files_: Mapping[str, File], folder: str, *, exact: bool = False) -> tuple[str, ...]:
        """Write a tree of files, sending those that differ; see ``Machine.upload``."""
        from stagecraft.remote.trees import upload

        return upload(self, files_, folder, exact)

    def remove(self, path: str) -> None:
        """Remove a file or folder."""
        files.remove(self, path)

    def docker(self) -> DockerClient:
        """Return a client of the host's container engine, whose calls end with the scope and with the connection."""
        return self._engine.client(self, self._scope)

    def forward(self, address: str, port: int) -> AbstractContextManager[tuple[str, int]]:
        """Lend a loopback address of this machine that leads to ``address:port`` as the host sees it; see ``forward``."""
        from stagecraft.remote.forward import forward

        return forward(self._connection.transport(), self.host.name, address, port)

    def _wait(self, foreman: Foreman, reply: Reply, command: Command, started: float, seconds: float) -> bool:
        """Tell whether the result has come; end the command at its deadline or when the work should stop."""
        if not reply.wait(seconds):
            try:
                self._scope.check()
                if command.timeout and time.monotonic() - started > command.timeout:
                    raise TimedOut(
                        f"{command.argv[0]} on {self.host.name} took longer than {command.timeout:g} seconds and was ended"
                    )
            except BaseException:
                _end(foreman, reply)
                raise
            return False
        if reply.lost:
            raise self._cut(foreman, command)
        return True

    def _cut(self, foreman: Foreman, command: Command) -> Exception:
        if self._connection.leased is foreman:
            return self._connection.fenced()
        return ProviderError(
            f"the connection to {self.host.name} was lost while {command.argv[0]} ran; whether it finished is not known",
            hint="check the network and the host, then repeat the command; what ran there is ended within a minute",
        )

    def _explain(self, reply: Reply, command: Command) -> None:
        where = f" on {self.host.name}"
        if reply.cannot == "tool":
            raise ToolMissing(
                f"{command.argv[0]} is not installed{where}",
                hint="install it there, or put it on the deploy user's PATH",
            )
        if reply.cannot == "folder":
            raise ProviderError(f"folder {command.cwd} is not there{where}; {command.argv[0]} should run in it")
        if reply.cannot == "space":
            raise ProviderError(
                f"no space left{where} for temporary files, so {command.argv[0]} was not run",
                hint="free some space or inodes there (`df -h`, `df -i`)",
            )


def _end(foreman: Foreman, reply: Reply) -> None:
    foreman.cancel(reply)
    if not reply.wait(GRACE):
        foreman.cancel(reply, kill=True)
        reply.wait(GRACE)
