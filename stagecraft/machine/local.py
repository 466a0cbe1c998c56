"""Act on this machine."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from stagecraft_hookspecs.errors import CommandFailed, ToolMissing
from stagecraft_hookspecs.values import LOCAL, Command, File, Host, Result

from stagecraft.machine import files

#: Seconds for an answer of the engine.
_TIMEOUT = 60

if TYPE_CHECKING:
    from docker import DockerClient

    from stagecraft.machine.scope import Scope


class LocalMachine:
    """Run commands, handle files and reach the container engine of this machine.

    Args:
        root: The project's folder, in which commands run that name no other.
        scope: Interrupts what runs here.
    """

    def __init__(self, root: Path, scope: Scope, engine: _Engine | None = None) -> None:
        self._root = root
        self._scope = scope
        self._engine = engine or _Engine()

    def within(self, scope: Scope) -> LocalMachine:
        """Return the same machine with another scope; the engine's client is shared."""
        return LocalMachine(self._root, scope, self._engine)

    @property
    def host(self) -> Host:
        """Name the host."""
        return LOCAL

    def run(self, command: Command, *, check: bool = True, on_line: Callable[[str], None] | None = None) -> Result:
        """Run a command in a process group of its own and wait for it; see ``Machine.run``."""
        from stagecraft.machine.process import run

        result = run(command, self._root, self._scope, on_line)
        if check and not result.ok:
            raise CommandFailed(result)
        return result

    def read(self, path: str) -> bytes:
        """Return a file's bytes."""
        return files.read(self._root / path)

    def write(self, path: str, data: bytes, *, mode: int = 0o644) -> None:
        """Write a file in full or not at all."""
        files.write(self._root / path, data, mode)

    def upload(self, files: Mapping[str, File], folder: str, *, exact: bool = False) -> tuple[str, ...]:
        """Write a tree of files, those that differ."""
        from stagecraft.machine.trees import upload

        return upload(files, self._root / folder, exact)

    def remove(self, path: str) -> None:
        """Remove a file or folder."""
        files.remove(self._root / path)

    def docker(self) -> DockerClient:
        """Return a client of this machine's container engine, found as the docker command finds it; the scope ends its calls."""
        return self._engine.client(self._scope)


class _Engine:
    """Open the engine once, whoever asks first; each scope has a client of its own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connect: Callable[[Scope], DockerClient] | None = None
        self._clients: dict[Scope, DockerClient] = {}

    def client(self, scope: Scope) -> DockerClient:
        with self._lock:
            if self._connect is None:
                self._connect = _found(scope)
            if scope not in self._clients:
                self._clients[scope] = self._connect(scope)
            return self._clients[scope]


def _found(scope: Scope) -> Callable[[Scope], DockerClient]:
    """Return what makes clients, once the engine has answered one of them."""
    import os

    import docker
    import docker.errors
    import requests

    where = os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
    try:
        if where.startswith("unix://"):
            return _by_socket(where.removeprefix("unix://"), scope)
        client = docker.from_env(timeout=_TIMEOUT)
        client.ping()
    except (docker.errors.DockerException, requests.RequestException, OSError) as error:
        raise ToolMissing(
            f"the Docker engine at {where} does not answer",
            hint="start it (`systemctl start docker`), or set DOCKER_HOST to one that runs",
            detail=str(error).partition("\n")[0],
        ) from error
    return lambda _: client


def _by_socket(path: str, scope: Scope) -> Callable[[Scope], DockerClient]:
    import socket

    from stagecraft.machine.calls import Calls, CallSocket

    def dial(_: Scope) -> CallSocket:
        connection = CallSocket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(_TIMEOUT)
        connection.connect(path)
        return connection

    calls = Calls(dial)
    version = calls.newest(scope, _TIMEOUT)
    return lambda wanted: calls.client(wanted, version, _TIMEOUT)
