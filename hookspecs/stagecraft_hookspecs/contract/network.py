"""The contract suite of network providers."""

from __future__ import annotations

from typing import Any, ClassVar

from stagecraft_hookspecs.contract import samples
from stagecraft_hookspecs.contract.base import ProviderContract
from stagecraft_hookspecs.contract.calls import Call
from stagecraft_hookspecs.contract.doubles import FakeContext
from stagecraft_hookspecs.network import Member, Network, NetworkFacts
from stagecraft_hookspecs.provider import Provider
from stagecraft_hookspecs.values import Change, Host


class NetworkContract(ProviderContract):
    """Prove a network. ``hosts`` and ``joined`` are the samples."""

    kind: ClassVar[str] = "network"
    base: ClassVar[type[Provider]] = Network

    def hosts(self) -> tuple[Host, ...]:
        """Return the hosts that shall join, sorted."""
        return samples.HOSTS

    def joined(self, provider: Any) -> NetworkFacts:
        """Return facts in which every host has joined as the provider would have it."""
        return NetworkFacts(
            tuple(Member(h.name, installed=True, joined=True, address=provider.address(h)) for h in self.hosts())
        )

    def pure(self) -> tuple[Call, ...]:
        """Return calls of `address` and `plan`."""
        half = NetworkFacts((Member(self.hosts()[0].name, installed=True),))
        plans = tuple(Call("plan", (self.hosts(), facts)) for facts in (NetworkFacts(), half))
        return (*(Call("address", (host,)) for host in self.hosts()), *plans)

    def effects(self, ctx: FakeContext) -> tuple[Call, ...]:
        """Return calls of `observe` and `apply`."""
        hosts = self.hosts()
        changes = (Change(f"join:{hosts[0].name}", "join", hosts[0].name, f"join {hosts[0].name}"),)
        return (Call("observe", (ctx, hosts)), *(Call("apply", (ctx, change, hosts[0])) for change in changes))

    def test_addresses_differ(self, provider: Any) -> None:
        """Hosts are told apart by the name under which they are reached."""
        addresses = [provider.address(host) for host in self.hosts()]
        assert all(isinstance(a, str) and a for a in addresses)
        assert len(set(addresses)) == len(addresses)

    def test_plans_every_host_that_is_missing(self, provider: Any) -> None:
        """From nothing, each host is the subject of a change; ids are unique."""
        changes = provider.plan(self.hosts(), NetworkFacts())
        assert all(isinstance(change, Change) for change in changes)
        assert len({change.id for change in changes}) == len(changes)
        assert {change.subject for change in changes} <= {host.name for host in self.hosts()}

    def test_plans_nothing_when_all_have_joined(self, provider: Any) -> None:
        """Once the facts are as wanted, there is nothing to do."""
        assert provider.plan(self.hosts(), self.joined(provider)) == ()

    def test_applying_twice_is_safe(self, provider: Any) -> None:
        """A run that was killed is repeated."""
        ctx = FakeContext(secrets=None)
        hosts = {host.name: host for host in self.hosts()}
        for change in provider.plan(self.hosts(), NetworkFacts()):
            for _ in range(2):
                assert provider.apply(self.ready(ctx), change, hosts[change.subject]) is None

    def ready(self, ctx: FakeContext) -> FakeContext:
        """Return the context in which planned changes can be applied; give it the answers that the provider waits for."""
        return ctx
