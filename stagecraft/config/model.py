"""The resolved configuration of one environment, as the rest of Stagecraft sees it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
from stagecraft_hookspecs.errors import Mark, NotFound
from stagecraft_hookspecs.values import Host

from stagecraft.config.settings import DevSettings, RegistrySettings, Rollout, ServiceSettings, Strategy

if TYPE_CHECKING:
    from stagecraft_hookspecs.provider import Provider

    from stagecraft.config.assemble import Tree
    from stagecraft.config.document import Document
    from stagecraft.images.deliveries import Login

#: The role of a compose service that has no entry under `services`.
DEFAULT_ROLE = "app"


@attrs.frozen
class Chosen:
    """A provider that the configuration chose.

    Attributes:
        kind, name: How it is looked up.
        cls: Its class; `cls(config)` constructs it.
        config: An instance of `cls.Config`.
        block: The block as written, variables substituted. It may hold secrets: never print it.
    """

    kind: str
    name: str
    cls: type[Provider]
    config: Any = attrs.field(repr=False)
    block: Mapping[str, Any] = attrs.field(factory=dict, repr=False)

    def provider(self) -> Provider:
        """Return a new provider with its configuration."""
        return self.cls(self.config)


@attrs.frozen
class DatabaseConfig:
    """A database: which variable holds its URL, which compose service it is, from where it is reached, how and when it is migrated.

    `engine` is None for a database without migrations.
    """

    name: str
    connection_env: str
    service: str = ""
    engine: Chosen | None = None
    strategy: Strategy = Strategy.PRE_DEPLOY
    via: str = ""


@attrs.frozen
class Config:
    """The configuration of one environment.

    Attributes:
        path: The file. root: The project's folder.
        environment: The environment's name. project: The project's name.
        registry: Where images are pushed; empty without one. account: Who pushes and pulls, where the file says so.
        compose_files: Relative to the root; empty means the names that Docker Compose looks for.
        profiles: Compose profiles to switch on. plugins: Plugins to load besides the providers.
        env_files: Relative to the root, later over earlier.
        hosts: Sorted by name, each with its roles; never empty.
        services, databases, providers: By name (providers by kind), sorted.
        domains: Under `dev`.
    """

    path: Path
    root: Path
    environment: str
    project: str
    hosts: tuple[Host, ...]
    registry: str = ""
    account: RegistrySettings | None = None
    compose_files: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    plugins: tuple[str, ...] = ()
    env_files: tuple[str, ...] = ()
    services: Mapping[str, ServiceSettings] = attrs.field(factory=dict)
    databases: Mapping[str, DatabaseConfig] = attrs.field(factory=dict)
    providers: Mapping[str, Chosen] = attrs.field(factory=dict)
    rollout: Rollout = attrs.field(factory=Rollout)
    dev: DevSettings = attrs.field(factory=DevSettings)
    _tree: Tree | None = attrs.field(default=None, repr=False, eq=False)
    _document: Document | None = attrs.field(default=None, repr=False, eq=False)

    def role_of(self, service: str) -> str:
        """Return the role whose hosts run a compose service."""
        found = self.services.get(service)
        return found.role if found else DEFAULT_ROLE

    def hosts_of(self, service: str) -> tuple[Host, ...]:
        """Return the hosts that run a compose service, sorted; none when its role has none."""
        role = self.role_of(service)
        return tuple(h for h in self.hosts if role in h.roles or self.single_machine)

    @property
    def login(self) -> Login | None:
        """Return the registry's account as images need it."""
        from stagecraft.images.deliveries import Login

        account = self.account
        return Login(account.url.partition("/")[0], account.username, account.password) if account else None

    @property
    def single_machine(self) -> bool:
        """Tell whether the environment names no hosts, so that this machine has every role."""
        return self._tree is None or not self._tree.data.get("hosts")

    @property
    def roles(self) -> tuple[str, ...]:
        """Return every role that a host has, sorted."""
        return tuple(sorted({role for host in self.hosts for role in host.roles}))

    def host(self, name: str) -> Host:
        """Return a host by name; raise NotFound."""
        for host in self.hosts:
            if host.name == name:
                return host
        raise NotFound("host", name, (h.name for h in self.hosts))

    def mark(self, *path: str | int) -> Mark:
        """Return the place in the file of `("services", "api", "role")`; of its parent where it is missing."""
        if self._tree is None or self._document is None:
            return Mark(self.path.name)
        return self._document.mark(self._tree.origin(path))

    def to_dict(self) -> dict[str, Any]:
        """Return it as sorted JSON-like data, every secret masked."""
        from stagecraft.config.plain import config_to_dict

        return config_to_dict(self)
