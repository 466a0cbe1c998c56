"""The secrets provider ``envfile``: names and values in files of ``KEY=value`` lines beside the project."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import attrs
from stagecraft_hookspecs.secrets import SecretFacts, Secrets
from stagecraft_hookspecs.values import Change, Secret

if TYPE_CHECKING:
    from stagecraft_hookspecs.context import Context
    from stagecraft_hookspecs.values import Project

#: Files of secrets are readable by their owner alone.
_MODE = 0o600


@attrs.frozen
class EnvFileConfig:
    """Say where the secrets lie."""

    files: tuple[str, ...] = attrs.field(
        default=(),
        metadata={"help": "files of KEY=value lines, later over earlier, besides the environment's env_file"},
    )


class EnvFile(Secrets):
    """Read secrets from env files. They stay out of version control, and readable by their owner alone."""

    name = "envfile"
    Config = EnvFileConfig

    def names(self, project: Project) -> tuple[str, ...]:
        """Return the names in those of the files that are there."""
        if not self.config.files:
            return ()
        from stagecraft_envfile.files import pairs

        found: set[str] = set()
        for path in self.config.files:
            if project.folder.exists(path):
                found.update(name for name, _ in pairs(project.folder.read(path), path))
        return tuple(sorted(found))

    def fetch(self, ctx: Context, names: tuple[str, ...]) -> Mapping[str, Secret]:
        """Return the values of the names that a file has. Raises UserError for a file that cannot be understood."""
        values = self._values(ctx)
        return {name: Secret(name, values[name]) for name in names if name in values}

    def observe(self, ctx: Context) -> SecretFacts:
        """Return the names that the files have."""
        return SecretFacts(tuple(sorted(self._values(ctx))))

    def plan(self, wanted: tuple[str, ...], facts: SecretFacts) -> tuple[Change, ...]:
        """Return what is missing, to be set in the last file."""
        target = self._target
        missing = sorted(set(wanted) - set(facts.names))
        return tuple(Change(f"set:{n}", "set", n, f"set {n} in {target}", {"file": target}) for n in missing)

    def apply(self, ctx: Context, change: Change, value: Secret) -> None:
        """Set one name in its file, leaving every other line as it is; the file becomes its owner's alone."""
        from stagecraft_envfile.files import edited, inside

        path = str(change.inputs.get("file") or self._target)
        data = edited(self._read(ctx, path) or b"", path, change.subject, value.reveal())
        ctx.machine().write(str(inside(ctx.root, path)), data, mode=_MODE)

    @property
    def _target(self) -> str:
        return str(self.config.files[-1]) if self.config.files else ".env"

    def _values(self, ctx: Context) -> dict[str, str]:
        from stagecraft_envfile.files import pairs

        values: dict[str, str] = {}
        for path in self.config.files:
            if data := self._read(ctx, path):
                values.update(pairs(data, path))
        return values

    def _read(self, ctx: Context, path: str) -> bytes | None:
        from stagecraft_hookspecs.errors import NotFound

        from stagecraft_envfile.files import inside

        try:
            return ctx.machine().read(str(inside(ctx.root, path)))
        except NotFound:
            return None
