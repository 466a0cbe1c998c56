"""The contract suite of secrets providers."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from stagecraft_hookspecs.contract import samples
from stagecraft_hookspecs.contract.base import ProviderContract
from stagecraft_hookspecs.contract.calls import CANARY, Call
from stagecraft_hookspecs.contract.doubles import FakeContext, FakeMachine, MemoryFolder
from stagecraft_hookspecs.errors import StagecraftError
from stagecraft_hookspecs.provider import Provider
from stagecraft_hookspecs.secrets import SecretFacts, Secrets
from stagecraft_hookspecs.values import Change, Project, Secret


class SecretsContract(ProviderContract):
    """Prove a secrets provider. Override ``folder`` with a store's files, whose values hold ``CANARY``, where it has any."""

    kind: ClassVar[str] = "secrets"
    base: ClassVar[type[Provider]] = Secrets

    def folder(self) -> MemoryFolder:
        """Return the project's files."""
        return MemoryFolder(samples.FILES)

    def project(self) -> Project:
        """Return the project."""
        return samples.project(self.folder())

    def wanted(self) -> tuple[str, ...]:
        """Return names of secrets, sorted."""
        return ("API_KEY", "DATABASE_URL")

    def pure(self) -> tuple[Call, ...]:
        """Return calls of `names` and `plan`."""
        facts = (SecretFacts(), SecretFacts(self.wanted()[:1]), SecretFacts(self.wanted()))
        return (Call("names", (self.project(),)), *(Call("plan", (self.wanted(), f)) for f in facts))

    def effects(self, ctx: FakeContext) -> tuple[Call, ...]:
        """Return calls of `fetch`, `observe` and `apply`."""
        name = self.wanted()[0]
        change = self.change(name)
        return (
            Call("fetch", (ctx, self.wanted())),
            Call("observe", (ctx,)),
            Call("apply", (ctx, change, Secret(name, CANARY))),
        )

    def change(self, name: str) -> Change:
        """Return the change that sets a secret, as `plan` makes it; override it when `apply` needs inputs."""
        return Change(f"set:{name}", "set", name, f"set {name}")

    def test_names_are_sorted(self, provider: Any) -> None:
        """Names are listed in plans: sorted, each once."""
        names = provider.names(self.project())
        assert isinstance(names, tuple)
        assert list(names) == sorted(set(names))

    def test_plans_what_is_missing(self, provider: Any) -> None:
        """Each missing name is set, and nothing else."""
        changes = provider.plan(self.wanted(), SecretFacts(self.wanted()[:1]))
        assert sorted(c.subject for c in changes) == sorted(self.wanted()[1:])
        assert provider.plan(self.wanted(), SecretFacts(self.wanted())) == ()

    def test_fetched_values_are_secrets(self, provider: Any, tmp_path: Path) -> None:
        """Values are `Secret`s under the names that were asked for; a name that the store lacks is left out."""
        self.folder().write_to(tmp_path)
        ctx = self.context(tmp_path, FakeMachine())
        try:
            found = provider.fetch(ctx, (*self.wanted(), "NO_SUCH_SECRET_AT_ALL"))
        except StagecraftError:
            return
        for name, secret in found.items():
            assert isinstance(secret, Secret)
            assert secret.name == name
            assert secret.reveal() not in repr(found) or not secret.reveal()

    def test_facts_hold_names_only(self, provider: Any, tmp_path: Path) -> None:
        """What is observed is printed: names, sorted, no values."""
        self.folder().write_to(tmp_path)
        try:
            facts = provider.observe(self.context(tmp_path, FakeMachine()))
        except StagecraftError:
            return
        assert isinstance(facts, SecretFacts)
        assert list(facts.names) == sorted(facts.names)
        assert CANARY not in repr(facts)


class SecretsStoreContract:
    """Prove that a store keeps what it is given. Mix it into a suite whose provider can write where ``store`` lets it.

    Override ``store`` to return a context in which the real store, or a faithful stand-in, answers.
    """

    def store(self, root: Path) -> FakeContext:
        """Return the context in which the store answers; here it lies in files below the root."""
        return FakeContext(root)

    def test_keeps_what_it_is_given(self, provider: Any, tmp_path: Path) -> None:
        """What was set can be fetched, by another instance, unchanged; setting it again changes it."""
        again = type(provider)(provider.config)
        for value in (
            "plain",
            "quotes \" and ' and $dollar",
            "back\\slash # hash",
            "über 漢字",
            "two\nlines",
            " spaces ",
        ):
            ctx = self.store(tmp_path)
            for change in provider.plan(("TOKEN",), SecretFacts()):
                provider.apply(ctx, change, Secret("TOKEN", value))
                provider.apply(ctx, change, Secret("TOKEN", value))
            assert "TOKEN" in again.observe(ctx).names
            assert again.fetch(ctx, ("TOKEN",))["TOKEN"].reveal() == value
            assert again.plan(("TOKEN",), again.observe(ctx)) == ()

    def test_leaves_other_secrets_alone(self, provider: Any, tmp_path: Path) -> None:
        """Setting one leaves the others as they were."""
        ctx = self.store(tmp_path)
        for name, value in (("FIRST", "1"), ("SECOND", "2"), ("FIRST", "one")):
            for change in provider.plan((name,), SecretFacts()):
                provider.apply(ctx, change, Secret(name, value))
        found = provider.fetch(ctx, ("FIRST", "SECOND", "THIRD"))
        assert {name: secret.reveal() for name, secret in found.items()} == {"FIRST": "one", "SECOND": "2"}
