"""Resolve a host to how it is reached: what the user's SSH configuration and the project's say, merged."""

from __future__ import annotations

import getpass
import os
import re
import shlex
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
from stagecraft_hookspecs.errors import UserError
from stagecraft_hookspecs.values import Host

from stagecraft.remote.ssh_config import read_ssh_config

if TYPE_CHECKING:
    from paramiko import SSHConfig

_DEFAULT_KEYS = ("id_rsa", "id_ecdsa", "id_ed25519")
_KNOWN_HOSTS = ("~/.ssh/known_hosts", "~/.ssh/known_hosts2")
_GLOBAL_KNOWN_HOSTS = ("/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2")


@attrs.frozen
class Route:
    """Say how a server is reached.

    Attributes:
        name: As the user wrote it.
        address, port, user: Where to connect to, and as whom.
        jumps: The hops before it, outermost first.
        proxy_command: A command that is connected instead of a socket.
        identities: Private key files to try; ``explicit`` when the user named them.
        certificates: Certificate files besides those that lie beside their keys.
        agent: Whether the agent may be asked; ``only`` limits it to the named identities.
        known_hosts: Files of known keys, besides the project's own.
        alias: The name its key is known by, where that is not the address.
        timeout: Seconds to connect.
        interval, misses: Seconds between signs of life, and how many may be missed.
    """

    name: str
    address: str
    port: int
    user: str
    jumps: tuple[Route, ...] = ()
    proxy_command: str = ""
    identities: tuple[Path, ...] = ()
    explicit: bool = False
    certificates: tuple[Path, ...] = ()
    agent: bool = True
    only: bool = False
    known_hosts: tuple[Path, ...] = ()
    alias: str = ""
    timeout: float = 10.0
    interval: float = 15.0
    misses: int = 3

    @property
    def server(self) -> str:
        """Name the server as a known_hosts file does."""
        return self.alias or (self.address if self.port == 22 else f"[{self.address}]:{self.port}")

    @property
    def where(self) -> str:
        """Name the server for people: ``deploy@10.0.0.12:2222``."""
        return f"{self.user}@{self.address}:{self.port}"


class Router:
    """Answer how hosts are reached.

    Args:
        environ: ``STAGECRAFT_SSH_CONFIG`` names a configuration file to be read instead of the user's and the system's.
    """

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        own = environ.get("STAGECRAFT_SSH_CONFIG")
        files = (Path(own),) if own else (Path("~/.ssh/config").expanduser(), Path("/etc/ssh/ssh_config"))
        if own and not files[0].is_file():
            raise UserError(f"STAGECRAFT_SSH_CONFIG names {own}, which is not a file", hint="correct or unset it")
        self._files = files

    @cached_property
    def _config(self) -> SSHConfig:
        return read_ssh_config(self._files)

    def route(self, host: Host) -> Route:
        """Return how ``host`` is reached. Its address, user and port win over the SSH configuration's."""
        found = self._lookup(host.address or host.name)
        if host.address:
            # an entry for the host's name counts, else one for its address
            named = self._lookup(host.name)
            if _settings(named) != _settings(self._lookup("-")):
                found = {**named, "hostname": found["hostname"]}
        if found.get("proxycommand") and (host.address or host.user or host.port != 22):
            # its %h, %p and %r stand for what the project's configuration says
            own = f"Host *\n  HostName {found['hostname']}\n" + (f"  Port {host.port}\n" if host.port != 22 else "")
            own += f"  User {host.user}\n" if host.user else ""
            filled = read_ssh_config(self._files, own).lookup(host.name)
            found = {**found, "proxycommand": filled.get("proxycommand", found["proxycommand"])}
        port = host.port if host.port != 22 else 0
        return self._route(host.name, found, host.user, port, ())

    def _lookup(self, name: str) -> dict[str, Any]:
        try:
            return dict(self._config.lookup(name))
        except Exception as error:
            raise UserError(
                f"the SSH configuration for {name!r} is not understood: {error}",
                hint=f"`ssh -G {shlex.quote(name)}` shows how ssh itself reads it",
            ) from error

    def _route(self, name: str, found: Mapping[str, Any], user: str, port: int, via: tuple[str, ...]) -> Route:
        if name in via:
            raise UserError(f"ProxyJump of {name!r} leads back to itself", hint="correct it in the SSH configuration")
        address = str(found.get("hostname") or name)
        user = user or str(found.get("user") or getpass.getuser())
        port = port or _number(found, "port", 22)
        jump = str(found.get("proxyjump") or "none")
        jumps: tuple[Route, ...] = ()
        if jump.lower() != "none":
            for hop in jump.split(","):
                jumps = self._hop(hop.strip(), jumps, (*via, name))
        named = found.get("identityfile") or ()
        identities = [_path(p, address, port, user) for p in named if p.lower() != "none"]
        standard = [Path("~/.ssh", key).expanduser() for key in _DEFAULT_KEYS]
        interval = _number(found, "serveraliveinterval", 0)
        command = str(found.get("proxycommand") or "none")
        alias = str(found.get("hostkeyalias") or "")
        return Route(
            name,
            address,
            port,
            user,
            jumps,
            "" if jumps or command.lower() == "none" else command,
            tuple(identities or ([] if named else standard)),
            bool(named),
            tuple(_path(p, address, port, user) for p in _listed(found.get("certificatefile"))),
            str(found.get("identityagent", "")).lower() != "none",
            str(found.get("identitiesonly", "no")).lower() == "yes",
            _known_hosts(found, address, port, user),
            alias,
            float(_number(found, "connecttimeout", 10)),
            float(interval or 15),
            _number(found, "serveralivecountmax", 3),
        )

    def _hop(self, hop: str, before: tuple[Route, ...], via: tuple[str, ...]) -> tuple[Route, ...]:
        found = re.fullmatch(r"(?:ssh://)?(?:(?P<user>[^@]+)@)?(?P<host>\[[^\]]+\]|[^:]+)(?::(?P<port>\d+))?/?", hop)
        if not found:
            raise UserError(f"ProxyJump {hop!r} is not [USER@]HOST[:PORT]", hint="correct it in the SSH configuration")
        name = found["host"].strip("[]")
        route = self._route(name, self._lookup(name), found["user"] or "", int(found["port"] or 0), via)
        # a first hop may have jumps of its own; for later ones those before it in the list count
        return (*(before or route.jumps), attrs.evolve(route, jumps=before or route.jumps))


def _settings(found: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in found.items() if key != "hostname"}


def _number(found: Mapping[str, Any], key: str, default: int) -> int:
    value = str(found.get(key, default))
    if value.lower() == "none":
        return default
    if not value.isdigit():
        raise UserError(f"{key} {value!r} in the SSH configuration is not a number", hint="correct it")
    return int(value)


def _listed(value: object) -> list[str]:
    return [str(v) for v in value] if isinstance(value, list) else shlex.split(str(value)) if value else []


def _known_hosts(found: Mapping[str, Any], address: str, port: int, user: str) -> tuple[Path, ...]:
    own = _listed(found.get("userknownhostsfile")) or list(_KNOWN_HOSTS)
    system = _listed(found.get("globalknownhostsfile")) or list(_GLOBAL_KNOWN_HOSTS)
    return tuple(_path(p, address, port, user) for p in (*own, *system) if p.lower() != "none" and p != "/dev/null")


def _path(text: str, address: str, port: int, user: str) -> Path:
    values = {"h": address, "p": str(port), "r": user, "u": getpass.getuser(), "d": str(Path.home()), "%": "%"}
    text = re.sub(r"%([hprud%])", lambda found: values[found[1]], text.strip('"'))
    text = re.sub(r"\$\{(\w+)\}", lambda found: os.environ.get(found[1], ""), text)
    return Path(text).expanduser()
