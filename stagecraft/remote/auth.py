"""Log in with the keys that ssh would use: the agent's and the user's files, with their certificates."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stagecraft_hookspecs.errors import ProviderError

if TYPE_CHECKING:
    from paramiko import PKey, Transport

    from stagecraft.remote.route import Route


class Keyring:
    """Load each key once, whoever needs it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loaded: dict[Path, tuple[list[PKey], str]] = {}

    def keys(self, path: Path) -> tuple[list[PKey], str]:
        """Return what a private key file offers (with its certificate first), and why it offers nothing."""
        with self._lock:
            if path not in self._loaded:
                self._loaded[path] = _load(path)
            return self._loaded[path]


class Login:
    """Authenticate one connection; Paramiko calls ``authenticate`` once the server's key is verified.

    Attributes:
        begun: Whether the server has been asked; from then on nothing may be tried again.
    """

    def __init__(self, route: Route, keyring: Keyring) -> None:
        self._route, self._keyring = route, keyring
        self._tried: list[str] = []
        self._locked: list[Path] = []
        self.begun = False

    def authenticate(self, transport: Transport) -> None:
        """Offer one key after the other; raises ProviderError when none is accepted."""
        from paramiko import AuthenticationException, SSHException

        further: list[str] = []
        with contextlib.closing(_Agent(self._route.agent)) as agent:
            for label, key in self._offers(agent):
                self.begun = True
                self._tried.append(label)
                try:
                    further = transport.auth_publickey(self._route.user, key)
                    if not further:
                        return
                    break
                except (AuthenticationException, SSHException, EOFError, OSError):
                    if not transport.is_active():
                        break
        self.begun = True
        raise self._refused(further)

    def _offers(self, agent: _Agent) -> Iterator[tuple[str, PKey]]:
        route = self._route
        files = [p for p in route.identities if p.exists() or p.with_name(p.name + ".pub").exists()]
        wanted = {blob for blob in map(_public, files) if blob} if route.explicit else set()
        held = {bytes(key.asbytes()) for key in agent.keys}
        for key in agent.keys:
            if key.asbytes() in wanted:
                yield f"agent key {key.comment or key.get_name()}", key
        if not route.only:
            for key in agent.keys:
                if key.asbytes() not in wanted:
                    yield f"agent key {key.comment or key.get_name()}", key
        for path in files:
            if route.explicit and _public(path) in held and not path.with_name(path.name + "-cert.pub").exists():
                continue
            keys, why = self._keyring.keys(path)
            if why == "passphrase":
                self._locked.append(path)
            elif why:
                self._tried.append(f"{path} ({why})")
            for key in [*self._certified(path, keys), *keys]:
                yield str(path) + (" with its certificate" if key.public_blob else ""), key

    def _certified(self, path: Path, keys: list[PKey]) -> Iterator[PKey]:
        from paramiko import PKey as Key

        for certificate in self._route.certificates if keys else ():
            with contextlib.suppress(ValueError, OSError):
                key = Key.from_path(str(path))
                key.load_certificate(str(certificate))
                yield key

    def _refused(self, further: list[str]) -> ProviderError:
        route, tried = self._route, ", ".join(self._tried) or "nothing: no agent key and no key file was found"
        if further:
            return ProviderError(
                f"{route.name} ({route.where}) wants {' or '.join(further)} besides a key",
                hint="allow the deploy user to log in with a key alone",
            )
        if self._locked:
            files = ", ".join(map(str, self._locked))
            return ProviderError(
                f"{route.name} ({route.where}) accepted none of the keys, and {files} has a passphrase; tried: {tried}",
                hint=f"run `ssh-add {self._locked[0]}` first, so that the agent holds the key",
            )
        return ProviderError(
            f"{route.name} ({route.where}) accepted none of the keys; tried: {tried}",
            hint=f"`ssh -p {route.port} {route.user}@{route.address}` must work without a password: add your public key to "
            "~/.ssh/authorized_keys there, or correct the user",
        )


class _Agent:
    """The agent's keys, if there is one and it answers."""

    def __init__(self, wanted: bool) -> None:
        from paramiko import Agent, SSHException

        self._agent: Any = None
        self.keys: tuple[Any, ...] = ()
        if wanted:
            with contextlib.suppress(SSHException, OSError):
                self._agent = Agent()
                self.keys = tuple(self._agent.get_keys())

    def close(self) -> None:
        if self._agent is not None:
            self._agent.close()


def _public(path: Path) -> bytes:
    """Return the public half that lies beside a key, or nothing."""
    import base64

    try:
        return base64.b64decode(path.with_name(path.name + ".pub").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return b""


def _load(path: Path) -> tuple[list[PKey], str]:
    from paramiko import PasswordRequiredException, PKey, SSHException, UnknownKeyType

    try:
        key = PKey.from_path(str(path))
    except FileNotFoundError:
        return [], "not there; only its public half is"
    except (PasswordRequiredException, TypeError):
        # the library that reads keys says TypeError for a passphrase that was not given
        return [], "passphrase"
    except OSError as error:
        return [], error.strerror or "unreadable"
    except (SSHException, ValueError, UnknownKeyType) as error:
        return [], "passphrase" if "assword" in str(error) else "not a private key"
    if not key.public_blob:
        return [key], ""
    plain = PKey.from_path(str(path))
    plain.public_blob = None
    return [key, plain], ""
