"""The migration engine ``command``: whatever the application's own tool does, run from the release's image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
from stagecraft_hookspecs.migration import Applied, Database, Engine, Migration, MigrationFacts, MigrationPlan

if TYPE_CHECKING:
    from stagecraft_hookspecs.context import Context
    from stagecraft_hookspecs.values import Folder


@attrs.frozen
class CommandConfig:
    """Say which command migrates, and where it runs."""

    service: str = attrs.field(metadata={"help": "the compose service in whose image and environment the command runs"})
    command: tuple[str, ...] = attrs.field(
        metadata={"help": "the command as a list of words; it must be safe to repeat"},
    )
    timeout: float = attrs.field(
        default=600.0,
        validator=attrs.validators.ge(0),
        metadata={"help": "seconds until it is ended and counts as failed; 0: no limit"},
    )

    @command.validator
    def _some(self, attribute: attrs.Attribute[tuple[str, ...]], value: tuple[str, ...]) -> None:
        if not value or not all(value):
            raise ValueError("must be a list of words, such as [python, manage.py, migrate]")


class CommandEngine(Engine):
    """Migrate with a command of the application, in a one-off container of the release's own image."""

    name = "command"
    Config = CommandConfig
    connects = False

    def discover(self, folder: Folder) -> tuple[Migration, ...]:
        """Return nothing: the tool alone knows its migrations."""
        return ()

    def observe(self, ctx: Context, database: Database) -> MigrationFacts:
        """Return that the tool alone knows; asks nobody."""
        return MigrationFacts(opaque=True)

    def plan(self, migrations: tuple[Migration, ...], facts: MigrationFacts, target: str = "") -> MigrationPlan:
        """Return that the tool finds out for itself. Raises UserError for a target, which it cannot be told."""
        if target:
            from stagecraft_hookspecs.errors import UserError

            raise UserError(
                "the migration engine 'command' cannot stop at a migration",
                hint="leave out --to: the tool decides how far it goes",
            )
        return MigrationPlan(opaque=True)

    def apply(self, ctx: Context, database: Database, plan: MigrationPlan) -> tuple[Applied, ...]:
        """Run the command once and wait for it; its output goes to the log.

        Raises:
            CommandFailed: It exited non-zero.
            TimedOut: It took longer than ``timeout``.
        """
        shown = " ".join(self.config.command)
        ctx.progress(f"{shown} in {self.config.service}", service=self.config.service)
        ctx.oneoff(self.config.service, self.config.command, timeout=self.config.timeout)
        return ()
