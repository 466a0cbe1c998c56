"""Network: a private network that the environment's hosts join, so that they reach each other by stable names.

A whole plugin is this file, ``stagecraft_wireguard/plugin.py``::

    import attrs
    from stagecraft_hookspecs import hookimpl
    from stagecraft_hookspecs.network import Member, Network, NetworkFacts
    from stagecraft_hookspecs.values import Change, Command

    @attrs.frozen
    class WireGuardConfig:
        domain: str = attrs.field(default="wg", metadata={"help": "suffix of the hosts' names"})

    class WireGuard(Network):
        '''Join hosts with `wg-quick up wg0`.'''

        name = "wireguard"
        Config = WireGuardConfig

        def address(self, host):
            return f"{host.name}.{self.config.domain}"

        def observe(self, ctx, hosts):
            up = [h for h in hosts if ctx.machine(h).run(Command(("wg", "show", "wg0")), check=False).ok]
            return NetworkFacts(tuple(Member(h.name, installed=True, joined=True, address=self.address(h)) for h in up))

        def plan(self, hosts, facts):
            joined = {m.host for m in facts.members if m.joined}
            return tuple(Change(f"join:{h.name}", "join", h.name, f"join {h.name}") for h in hosts if h.name not in joined)

        def apply(self, ctx, change, host):
            ctx.machine(host).run(Command(("wg-quick", "up", "wg0")))

    @hookimpl
    def stagecraft_network():
        return WireGuard

with the entry point ``wireguard = "stagecraft_wireguard.plugin"`` in the group ``stagecraft``. ``address`` and ``plan`` are
pure; keys that let a host in are secrets and reach the host by stdin. Prove yours with ``contract.network.NetworkContract``.
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
class Member:
    """Say how far a host has come: is the client installed, has it joined, under which address and tags."""

    host: str
    installed: bool = False
    joined: bool = False
    address: str = ""
    tags: tuple[str, ...] = ()


@attrs.frozen
class NetworkFacts:
    """Hold what was observed, one member per host that answered, sorted by host."""

    members: tuple[Member, ...] = ()


class Network(Provider):
    """Join hosts to a private network."""

    @abstractmethod
    def address(self, host: Host) -> str:
        """Return the name under which the other hosts reach ``host``. Pure, so that plans can print it before it has joined."""

    @abstractmethod
    def observe(self, ctx: Context, hosts: tuple[Host, ...]) -> NetworkFacts:
        """Look at each host; change nothing. Raises ProviderError for a host that does not answer."""

    @abstractmethod
    def plan(self, hosts: tuple[Host, ...], facts: NetworkFacts) -> tuple[Change, ...]:
        """Return what is missing, in order; nothing when all have joined. Pure."""

    @abstractmethod
    def apply(self, ctx: Context, change: Change, host: Host) -> None:
        """Perform one change on one host. Safe to repeat. Raises ProviderError."""


@hookspec
def stagecraft_network() -> type[Network] | Iterable[type[Network]]:  # type: ignore[empty-body]
    """Return network classes. Called once, when a network is looked up by name; nothing is constructed."""
