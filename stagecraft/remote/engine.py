"""Give clients of a host's container engine: each connection of theirs is a command there."""

from __future__ import annotations

import threading
import weakref
from typing import TYPE_CHECKING

from stagecraft_hookspecs.errors import LockHeld, ProviderError, StagecraftError, ToolMissing
from stagecraft_hookspecs.values import Command

if TYPE_CHECKING:
    from docker import DockerClient

    from stagecraft.machine.calls import Calls, CallSocket
    from stagecraft.machine.scope import Scope
    from stagecraft.remote.connection import Connection
    from stagecraft.remote.machine import RemoteMachine
    from stagecraft.remote.tunnel import Tunnel

#: Seconds for an answer to a call, unless the call itself waits for something.
_TIMEOUT = 60
_VERSION = Command(("docker", "version", "--format", "{{.Server.APIVersion}}"), timeout=20)


class Engine:
    """Reach a host's engine; every call has a deadline, ends with its scope, and is an error when the engine hangs.

    Args:
        silence: Seconds without a byte after which the engine must answer another question, or counts as hung. It bounds the
            streams that may be silent for long, which have no deadline.
    """

    def __init__(self, connection: Connection, silence: float = _TIMEOUT) -> None:
        self._connection, self._silence = connection, silence
        self._lock = threading.Lock()
        self._calls: Calls | None = None
        self._version = ""
        self._clients: dict[Scope, DockerClient] = {}
        self._tunnels: weakref.WeakSet[Tunnel] = weakref.WeakSet()

    def client(self, machine: RemoteMachine, scope: Scope) -> DockerClient:
        """Return the client whose calls ``scope`` ends; raises ToolMissing when the engine does not answer."""
        self._connection.foreman()
        with self._lock:
            if scope not in self._clients:
                self._clients[scope] = self._open(machine, scope)
            return self._clients[scope]

    def close(self) -> None:
        """End every call."""
        with self._lock:
            calls, self._calls = self._calls, None
            self._clients.clear()
        if calls is not None:
            calls.close()
        for tunnel in list(self._tunnels):
            tunnel.close()

    def _open(self, machine: RemoteMachine, scope: Scope) -> DockerClient:
        import docker.errors
        import requests

        from stagecraft.machine.calls import Calls

        self._calls = self._calls or Calls(lambda call: self._dial(machine))
        if not self._version:
            try:
                found = self._calls.newest(scope, _TIMEOUT)
                self._calls.client(scope, found, _TIMEOUT)
            except (docker.errors.DockerException, requests.RequestException, OSError) as error:
                raise self._missing(machine, error) from error
            self._version = found
        return self._calls.client(scope, self._version, _TIMEOUT)

    def _dial(self, machine: RemoteMachine) -> CallSocket:
        from stagecraft.remote.tunnel import Tunnel

        tunnel = Tunnel(self._connection, self._silence, lambda: self._hung(machine)).start()
        self._tunnels.add(tunnel)
        return tunnel.near

    def _hung(self, machine: RemoteMachine) -> StagecraftError | None:
        """Return the error of an engine that answers nobody."""
        try:
            if machine.run(_VERSION, check=False).ok:
                return None
        except StagecraftError as error:
            cause = error.message
        else:
            cause = ""
        return ProviderError(
            f"the Docker engine on {self._connection.host.name} no longer answers",
            hint="look at `systemctl status docker` there; restart it if it hangs",
            detail=cause,
        )

    def _missing(self, machine: RemoteMachine, cause: Exception) -> StagecraftError:
        """Ask the host's own client why the engine does not answer."""
        where = f"on {self._connection.host.name}"
        try:
            result = machine.run(_VERSION, check=False)
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
