"""Secrets: where values come from that must not stand in the project's files.

A whole plugin is this file, ``stagecraft_pass/plugin.py``::

    import attrs
    from stagecraft_hookspecs import hookimpl
    from stagecraft_hookspecs.secrets import SecretFacts, Secrets
    from stagecraft_hookspecs.values import Change, Command, Secret

    @attrs.frozen
    class PassConfig:
        prefix: str = attrs.field(default="shop", metadata={"help": "folder in the password store"})
        names: tuple[str, ...] = attrs.field(default=(), metadata={"help": "names of the secrets"})

    class Pass(Secrets):
        '''Read secrets from the `pass` password store.'''

        name = "pass"
        Config = PassConfig

        def names(self, project):
            return tuple(sorted(self.config.names))

        def fetch(self, ctx, names):
            def one(name):
                shown = ctx.machine().run(Command(("pass", "show", f"{self.config.prefix}/{name}")))
                return Secret(name, shown.stdout.rstrip("\\n"))
            return {name: one(name) for name in names}

        def observe(self, ctx):
            listed = ctx.machine().run(Command(("pass", "ls", self.config.prefix))).stdout.split()
            return SecretFacts(tuple(sorted(listed)))

        def plan(self, wanted, facts):
            missing = sorted(set(wanted) - set(facts.names))
            return tuple(Change(f"set:{n}", "set", n, f"set {n}") for n in missing)

        def apply(self, ctx, change, value):
            ctx.machine().run(Command(("pass", "insert", "-m", f"{self.config.prefix}/{change.subject}"), stdin=value))

    @hookimpl
    def stagecraft_secrets():
        return Pass

with the entry point ``pass = "stagecraft_pass.plugin"`` in the group ``stagecraft``. ``names`` and ``plan`` are pure: a plan
shows names and never a value. Values travel by stdin, environment or 0600 files. Prove yours with
``contract.secrets.SecretsContract``.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import attrs

from stagecraft_hookspecs import hookspec
from stagecraft_hookspecs.provider import Provider

if TYPE_CHECKING:
    from stagecraft_hookspecs.context import Context
    from stagecraft_hookspecs.values import Change, Project, Secret


@attrs.frozen
class SecretFacts:
    """Hold the names that the store has, sorted. Never values."""

    names: tuple[str, ...] = ()


class Secrets(Provider):
    """Name, fetch and store secrets."""

    @abstractmethod
    def names(self, project: Project) -> tuple[str, ...]:
        """Return the names this provider will answer for, sorted, as far as the project's files and the config tell. Pure."""

    @abstractmethod
    def fetch(self, ctx: Context, names: tuple[str, ...]) -> Mapping[str, Secret]:
        """Return the values; a name that the store lacks is left out. Raises ProviderError when the store does not answer."""

    @abstractmethod
    def observe(self, ctx: Context) -> SecretFacts:
        """Return which names the store has; change nothing. Raises ProviderError."""

    @abstractmethod
    def plan(self, wanted: tuple[str, ...], facts: SecretFacts) -> tuple[Change, ...]:
        """Return what ``secrets sync`` must set. Pure."""

    @abstractmethod
    def apply(self, ctx: Context, change: Change, value: Secret) -> None:
        """Set one secret, the value by stdin or a 0600 file. Safe to repeat. Raises ProviderError."""


@hookspec
def stagecraft_secrets() -> type[Secrets] | Iterable[type[Secrets]]:  # type: ignore[empty-body]
    """Return secrets classes. Called once, when a secrets provider is looked up by name; nothing is constructed."""
