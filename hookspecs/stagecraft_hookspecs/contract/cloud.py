"""The contract suite of cloud providers."""

from __future__ import annotations

from typing import Any, ClassVar

import attrs

from stagecraft_hookspecs.cloud import Cloud, CloudFacts, Server
from stagecraft_hookspecs.contract import samples
from stagecraft_hookspecs.contract.base import ProviderContract
from stagecraft_hookspecs.contract.calls import Call
from stagecraft_hookspecs.contract.doubles import FakeContext
from stagecraft_hookspecs.provider import Provider
from stagecraft_hookspecs.values import Change, Host


class CloudContract(ProviderContract):
    """Prove a cloud."""

    kind: ClassVar[str] = "cloud"
    base: ClassVar[type[Provider]] = Cloud

    def hosts(self) -> tuple[Host, ...]:
        """Return the hosts that the configuration names, sorted."""
        return samples.HOSTS

    def facts(self, provider: Any) -> CloudFacts:
        """Return facts in which all that is desired is there."""
        desired = provider.desired(self.hosts())
        return CloudFacts(tuple(attrs.evolve(s, id=f"id-{s.name}", ready=True, address="192.0.2.1") for s in desired))

    def ready(self, ctx: FakeContext) -> FakeContext:
        """Return the context in which planned changes can be applied; give it the answers that the provider waits for."""
        return ctx

    def pure(self) -> tuple[Call, ...]:
        """Return calls of `desired` and `plan`."""
        wanted = tuple(Server(host.name) for host in self.hosts())
        found = CloudFacts((Server(self.hosts()[0].name, id="17", ready=True),))
        return (
            Call("desired", (self.hosts(),)),
            Call("plan", (wanted, CloudFacts())),
            Call("plan", (wanted, found)),
            Call("plan", ((), found)),
        )

    def effects(self, ctx: FakeContext) -> tuple[Call, ...]:
        """Return calls of `observe` and `apply`."""
        name = self.hosts()[0].name
        change = Change(f"create:{name}", "create", name, f"create {name}")
        return (Call("observe", (ctx,)), Call("apply", (ctx, change)))

    def test_desires_what_the_hosts_say(self, provider: Any) -> None:
        """One server per host, by its name, sorted whatever the hosts' order."""
        desired = provider.desired(self.hosts())
        assert [server.name for server in desired] == sorted(host.name for host in self.hosts())
        assert provider.desired(tuple(reversed(self.hosts()))) == desired

    def test_creates_what_is_missing(self, provider: Any) -> None:
        """From nothing, every server is created."""
        desired = provider.desired(self.hosts())
        changes = provider.plan(desired, CloudFacts())
        assert {change.subject for change in changes} >= {server.name for server in desired}
        assert len({change.id for change in changes}) == len(changes)

    def test_plans_nothing_when_all_is_there(self, provider: Any) -> None:
        """Once the facts are as wanted, there is nothing to do."""
        assert provider.plan(provider.desired(self.hosts()), self.facts(provider)) == ()

    def test_destroys_all_when_nothing_is_desired(self, provider: Any) -> None:
        """`infra down` leaves nothing that costs money."""
        facts = self.facts(provider)
        assert {c.subject for c in provider.plan((), facts)} >= {server.name for server in facts.servers}

    def test_applying_twice_is_safe(self, provider: Any) -> None:
        """Creating is keyed by name: a repeated run makes no second server."""
        for change in provider.plan(provider.desired(self.hosts()), CloudFacts()):
            ctx = self.ready(FakeContext())
            first, second = provider.apply(ctx, change), provider.apply(ctx, change)
            assert first == second
            assert first is None or isinstance(first, Server)
