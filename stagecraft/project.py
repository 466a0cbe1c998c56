"""The project of one run: configuration, compose file, providers and secrets' names, read once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import attrs
from stagecraft_hookspecs import values
from stagecraft_hookspecs.errors import Mark, StagecraftError, UserError
from stagecraft_hookspecs.values import Build, Finding, Secret

from stagecraft.folder import ProjectFolder

if TYPE_CHECKING:
    from stagecraft_hookspecs.backend import Backend
    from stagecraft_hookspecs.frontend import Frontend
    from stagecraft_hookspecs.migration import Engine, Migration
    from stagecraft_hookspecs.runtime import Renderer, Runtime
    from stagecraft_hookspecs.secrets import Secrets
    from stagecraft_hookspecs.state import State

    from stagecraft.compose import ComposeProject
    from stagecraft.config import Config
    from stagecraft.kernel import Kernel


@attrs.frozen(slots=False, eq=False)
class Project:
    """Hold one environment of a project, as read from its files.

    Attributes:
        config: The resolved configuration.
        compose: The compose model; values of secrets in services' environments are references.
        secrets: What the environment's env files hold, by name.
    """

    config: Config
    compose: ComposeProject
    kernel: Kernel
    secrets: Mapping[str, Secret]

    @cached_property
    def folder(self) -> ProjectFolder:
        """Return the project's files."""
        return ProjectFolder(self.config.root)

    @cached_property
    def resources(self) -> Mapping[str, Mapping[str, Any]]:
        """Return the compose file's networks, volumes, configs and secrets, those that there are."""
        found = {kind: getattr(self.compose, kind) for kind in ("configs", "networks", "secrets", "volumes")}
        return {kind: section for kind, section in found.items() if section}

    @cached_property
    def services(self) -> Mapping[str, Mapping[str, Any]]:
        """Return the services' definitions by name, sorted, with real ``$`` signs and their ``x-…`` keys."""
        return {name: {**s.raw, **s.extensions} for name, s in sorted(self.compose.services.items())}

    @cached_property
    def view(self) -> values.Project:
        """Return the project as the pure half of a provider may see it."""
        return values.Project(self.config.project, self.config.environment, self.folder, self.services)

    def provider(self, kind: str) -> Any:
        """Return the chosen provider of a kind, constructed with its configuration; raises UserError without one."""
        chosen = self.config.providers.get(kind)
        if chosen is None:
            clash = self.kernel.catalog.default_clashes.get(kind, ())
            raise UserError(
                f"no {kind} is configured"
                + (f", and {' and '.join(clash)} both claim to be its default" if clash else ""),
                hint=f"add `{kind}: NAME` to {self.config.path.name}, or install stagecraft[standard] for the built-in ones",
            )
        with self.blamed():
            return chosen.cls(chosen.config)

    def has(self, kind: str) -> bool:
        """Tell whether a provider of the kind is chosen."""
        return kind in self.config.providers

    @cached_property
    def runtime_class(self) -> type[Runtime]:
        """Return the runtime's class."""
        self.provider("runtime")
        return cast("type[Runtime]", self.config.providers["runtime"].cls)

    def renderer(self) -> Renderer:
        """Return the runtime's pure half."""
        return self.runtime_class.Renderer(self.config.providers["runtime"].config)

    @cached_property
    def runtime(self) -> Runtime:
        """Return the runtime."""
        return cast("Runtime", self.provider("runtime"))

    @cached_property
    def state(self) -> State:
        """Return the state provider."""
        return cast("State", self.provider("state"))

    def secrets_provider(self) -> Secrets | None:
        """Return the secrets provider, if one is chosen."""
        return cast("Secrets", self.provider("secrets")) if self.has("secrets") else None

    def engine(self, database: str) -> Engine:
        """Return a database's migration engine."""
        chosen = self.config.databases[database].engine
        assert chosen is not None
        with self.blamed():
            return cast("Engine", chosen.cls(chosen.config))

    def migrations(self, database: str) -> tuple[Migration, ...]:
        """Return a database's migrations as the project's files have them."""
        if database not in self._migrations:
            engine = self.engine(database)
            with self.blamed():
                self._migrations[database] = tuple(engine.discover(self.folder))
        return self._migrations[database]

    @cached_property
    def _migrations(self) -> dict[str, tuple[Migration, ...]]:
        return {}

    def applications(self) -> Iterator[tuple[str, Backend | Frontend]]:
        """Yield the chosen backend and frontend."""
        for kind in ("backend", "frontend"):
            if self.has(kind):
                yield kind, self.provider(kind)

    def builds(self) -> Mapping[str, Build]:
        """Return what is built, by service: what backend and frontend claim, else what the compose file says."""
        from stagecraft.plan.deployment import compose_build

        root = str(self.config.root.resolve())
        found = {
            name: compose_build(name, definition["build"], root)
            for name, definition in self.services.items()
            if definition.get("build")
        }
        for kind, provider in self.applications():
            with self.blamed():
                service = provider.service(self.view)
                build = provider.build(self.view) if service else None
            if service and service not in self.services:
                raise UserError(
                    f"{kind} {provider.name!r} is the compose service {service!r}, which does not exist",
                    hint=f"set `{kind}: {{service: …}}` to one of {', '.join(self.services)}",
                    where=self.config.mark(kind),
                )
            if build is not None:
                found[build.service] = build
        return found

    def findings(self) -> tuple[Finding, ...]:
        """Return lints that no runtime knows better."""
        from stagecraft.plan.lint import lint

        return tuple(lint(self))

    def addresses(self) -> tuple[str, ...]:
        """Return where the services answer, as far as the files tell: ``web: http://127.0.0.1:8080``."""
        from stagecraft.plan.addresses import addresses

        return tuple(addresses(self))

    def inputs(self) -> dict[str, str]:
        """Return the project's files that a plan depends on, and their digests; files of secrets are left out."""
        paths = {self.config.path, *self.compose.files}
        for database in self.config.databases:
            if self.config.databases[database].engine is not None:
                paths.update(self.config.root / m.path for m in self.migrations(database) if m.path)
        root = self.config.root.resolve()
        found = {}
        for path in sorted(paths):
            resolved = path.resolve()
            name = resolved.relative_to(root).as_posix() if resolved.is_relative_to(root) else str(path)
            found[name] = "sha256:" + hashlib.sha256(resolved.read_bytes()).hexdigest()
        return found

    def mark(self, *path: str) -> Mark | None:
        """Return the place of a key, given as the compose file's keys; a key that is absent gives its parent's place."""
        for length in range(len(path), 0, -1):
            if mark := self.compose.mark(*path[:length]):
                return mark
        return None

    def blamed(self) -> _Blamed:
        """Return a guard that turns whatever a provider raises into an error that names it."""
        return _Blamed(self.kernel)


@attrs.frozen
class _Blamed:
    kernel: Kernel

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, (Exception, SystemExit)) and not isinstance(error, StagecraftError):
            raise self.kernel.blame(error) from error
