"""Give a client of a host's container engine: a socket on this machine, each connection of which is a command there."""

from __future__ import annotations

import contextlib
import shutil
import socket
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from stagecraft_hookspecs.errors import LockHeld, ProviderError, StagecraftError, ToolMissing
from stagecraft_hookspecs.values import Command

from stagecraft.remote.streams import LINGER, Stream

if TYPE_CHECKING:
    from docker import DockerClient

    from stagecraft.remote.connection import Connection
    from stagecraft.remote.machine import RemoteMachine

_DIAL = Command(("docker", "system", "dial-stdio"))
_TIMEOUT = 60
_BLOCK = 1 << 16


class Engine:
    """Open a host's engine once, whoever asks first; every call has a deadline, so that an engine that hangs is an error."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._client: DockerClient | None = None
        self._folder = ""
        self._listener: socket.socket | None = None

    def client(self, machine: RemoteMachine) -> DockerClient:
        """Return the client; raises ToolMissing when the engine does not answer."""
        with self._lock:
            if self._client is None:
                self._client = self._open(machine)
            return self._client

    def close(self) -> None:
        """Take the socket away."""
        with self._lock:
            client, self._client = self._client, None
            if client is not None:
                with contextlib.suppress(Exception):
                    client.close()
            if self._listener is not None:
                self._listener.close()
                self._listener = None
            if self._folder:
                shutil.rmtree(self._folder, ignore_errors=True)
                self._folder = ""

    def _open(self, machine: RemoteMachine) -> DockerClient:
        import docker
        import docker.errors
        import requests

        self._connection.foreman()
        address = self._listen()
        try:
            client = docker.DockerClient(base_url=f"unix://{address}", timeout=_TIMEOUT, version="auto")
        except (docker.errors.DockerException, requests.RequestException, OSError) as error:
            raise self._missing(machine, error) from error
        # a call that outlives its connection must not be sent a second time
        return client

    def _listen(self) -> Path:
        if not self._folder:
            # unix socket paths are short: not below the project's folder
            self._folder = tempfile.mkdtemp(prefix="stagecraft-")
            self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self._listener.bind(str(Path(self._folder, "engine")))
            self._listener.listen(64)
            threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()
        return Path(self._folder, "engine")

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = listener.accept()
                threading.Thread(target=self._forward, args=(near,), daemon=True).start()

    def _forward(self, near: socket.socket) -> None:
        with near, contextlib.suppress(StagecraftError, OSError, EOFError), self._stream() as far:
            sender = threading.Thread(target=_send, args=(near, far), daemon=True)
            sender.start()
            over = 0.0
            while not far.ended and not (over and time.monotonic() - over > LINGER):
                data, _ = far.receive(0.5)
                if data:
                    near.sendall(data)
                elif far.reply.wait(0) and not over:
                    over = time.monotonic()
            with contextlib.suppress(OSError):
                near.shutdown(socket.SHUT_RDWR)
            sender.join(1.0)

    def _stream(self) -> Stream:
        return Stream(self._connection, self._connection.foreman(), _DIAL)

    def _missing(self, machine: RemoteMachine, cause: Exception) -> StagecraftError:
        """Ask the host's own client why the engine does not answer."""
        where = f"on {self._connection.host.name}"
        try:
            result = machine.run(
                Command(("docker", "version", "--format", "{{.Server.APIVersion}}"), timeout=20), check=False
            )
        except ToolMissing:
            return ToolMissing(
                f"Docker is not installed {where}",
                hint="install Docker Engine there (https://docs.docker.com/engine/install)",
            )
        except LockHeld as lost:
            return lost
        except ProviderError as error:
            return ToolMissing(
                f"the Docker engine {where} does not answer: {error.message}",
                hint="look at `systemctl status docker` there; restart it if it hangs",
            )
        said = (result.stderr or result.stdout).strip()
        if "permission denied" in said.lower():
            return ToolMissing(
                f"the deploy user may not use the Docker engine {where}",
                hint="add it to the group docker there: `sudo usermod -aG docker USER`",
                detail=said,
            )
        if result.ok:
            return ToolMissing(
                f"the Docker engine {where} (API {result.stdout.strip()}) cannot be used: {cause}",
                hint="upgrade Docker there to 20.10 or newer",
            )
        return ToolMissing(
            f"the Docker engine {where} does not answer",
            hint="start it there: `sudo systemctl start docker`",
            detail=said,
        )


def _send(near: socket.socket, far: Stream) -> None:
    with contextlib.suppress(OSError, EOFError):
        while data := near.recv(_BLOCK):
            far.send(data)
    far.send_end()
