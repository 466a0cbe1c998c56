"""Cloud: where hosts come from. ``infra up`` brings what the configuration asks for into being, ``infra down`` takes it away.

A whole plugin is this file, ``stagecraft_shelf/plugin.py`` (machines on a shelf, switched by a power strip)::

    import attrs
    from stagecraft_hookspecs import hookimpl
    from stagecraft_hookspecs.cloud import Cloud, CloudFacts, Server
    from stagecraft_hookspecs.values import Change, Command

    @attrs.frozen
    class ShelfConfig:
        strip: str = attrs.field(default="strip-1", metadata={"help": "which power strip"})

    class Shelf(Cloud):
        '''Switch machines on and off.'''

        name = "shelf"
        Config = ShelfConfig

        def desired(self, hosts):
            return tuple(Server(name, size="shelf") for name in sorted(h.name for h in hosts))

        def observe(self, ctx):
            lines = ctx.machine().run(Command(("strip", "list", self.config.strip))).stdout.split()
            return CloudFacts(tuple(Server(name, id=name, ready=True) for name in sorted(lines)))

        def plan(self, desired, facts):
            want, have = {s.name for s in desired}, {s.name for s in facts.servers}
            on = [Change(f"create:{n}", "create", n, f"switch {n} on") for n in sorted(want - have)]
            return (*on, *(Change(f"destroy:{n}", "destroy", n, f"switch {n} off") for n in sorted(have - want)))

        def apply(self, ctx, change):
            on = change.action == "create"
            ctx.machine().run(Command(("strip", "on" if on else "off", self.config.strip, change.subject)))
            return Server(change.subject, id=change.subject, ready=True) if on else None

    @hookimpl
    def stagecraft_cloud():
        return Shelf

with the entry point ``shelf = "stagecraft_shelf.plugin"`` in the group ``stagecraft``. ``desired`` and ``plan`` are pure.
Creating is keyed by the server's name: ``apply`` looks for it before it makes one, so that a repeated run makes no second.
Prove yours with ``contract.cloud.CloudContract``.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from typing import TYPE_CHECKING

import attrs

from stagecraft_hookspecs import hookspec
from stagecraft_hookspecs.provider import Provider

if TYPE_CHECKING:
    from stagecraft_hookspecs.context import Context
    from stagecraft_hookspecs.values import Change, Host


@attrs.frozen
class Server:
    """Describe a machine, wanted or found.

    Attributes:
        name: The host's name in the configuration; also the key that makes creating it repeatable.
        id: The cloud's own id; empty while it is only wanted.
        address: Public address, once known.
        private_address: Address inside the cloud's network, once known.
        ready: Whether it can be logged into.
        host_keys: Its SSH host keys, learnt over the cloud's own trusted channel, so that the first contact is verified.
    """

    name: str
    id: str = ""
    size: str = ""
    region: str = ""
    image: str = ""
    address: str = ""
    private_address: str = ""
    ready: bool = False
    tags: tuple[str, ...] = ()
    host_keys: tuple[str, ...] = ()


@attrs.frozen
class CloudFacts:
    """Hold the servers that belong to this project and environment, sorted by name."""

    servers: tuple[Server, ...] = ()


class Cloud(Provider):
    """Create and destroy the machines that the configuration names."""

    @abstractmethod
    def desired(self, hosts: tuple[Host, ...]) -> tuple[Server, ...]:
        """Return the servers that the configuration asks for, sorted by name. Pure."""

    @abstractmethod
    def observe(self, ctx: Context) -> CloudFacts:
        """Ask the cloud for the project's servers; change nothing. Raises ProviderError."""

    @abstractmethod
    def plan(self, desired: tuple[Server, ...], facts: CloudFacts) -> tuple[Change, ...]:
        """Return what to create, resize or destroy; with nothing desired, destroy all. Pure."""

    @abstractmethod
    def apply(self, ctx: Context, change: Change) -> Server | None:
        """Perform one change and wait until it is true; return the server, or None for one destroyed. Safe to repeat."""


@hookspec
def stagecraft_cloud() -> type[Cloud] | Iterable[type[Cloud]]:  # type: ignore[empty-body]
    """Return cloud classes. Called once, when a cloud is looked up by name; nothing is constructed."""
