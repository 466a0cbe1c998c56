"""What a command works with: the flags, the project read on first use, the output."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from stagecraft_hookspecs.errors import Refused

if TYPE_CHECKING:
    from stagecraft.context import RunContext
    from stagecraft.kernel import Kernel
    from stagecraft.output.report import Reporter
    from stagecraft.output.sink import Sink
    from stagecraft.project import Project
    from stagecraft.run.deploy import Runner


class Session:
    """Serve one command. Everything is made when it is first asked for.

    Args:
        values: The flags' values by name, global ones included.
        rest: What stood behind ``--``.
    """

    def __init__(self, sink: Sink, values: Mapping[str, Any], rest: tuple[str, ...] = ()) -> None:
        self.sink, self.values, self.rest = sink, values, rest
        self.loaded_kernel: Kernel | None = None
        self._reporter: Reporter | None = None

    @property
    def json(self) -> bool:
        """Tell whether ``--json`` was given."""
        return self.sink.json

    def say(self, text: str = "") -> None:
        """Print a line for people."""
        self.sink.say(text)

    def emit(self, document: Any) -> None:
        """Print a JSON document."""
        self.sink.emit(document)

    @property
    def cwd(self) -> Path:
        """Return the folder that the command was run in; raises Refused when it is gone."""
        try:
            return Path.cwd()
        except FileNotFoundError:
            raise Refused("the current folder does not exist any more", hint="change to one that does") from None

    @property
    def environment(self) -> str | None:
        """Return the environment that was asked for, or None."""
        return str(self.values.get("env") or os.environ.get("STAGECRAFT_ENV") or "") or None

    @property
    def kernel(self) -> Kernel:
        """Return the kernel, knowing what is installed and having loaded nothing."""
        if self.loaded_kernel is None:
            from stagecraft.kernel import Kernel, scan

            only = os.environ.get("STAGECRAFT_PLUGINS")
            names = None if only is None else [name.strip() for name in only.split(",") if name.strip()]
            self.loaded_kernel = Kernel(scan(names))
        return self.loaded_kernel

    @cached_property
    def raw(self) -> Any:
        """Return the configuration file as read, of no environment yet."""
        from stagecraft.config import find, read

        explicit = str(self.values.get("config") or "") or None
        return read(find(self.cwd, explicit, os.environ), os.environ)

    @cached_property
    def config(self) -> Any:
        """Return the configuration of the environment that was asked for."""
        from stagecraft.config import resolve

        return resolve(self.raw, self.environment, self.kernel.lookup, self.kernel.catalog.defaults)

    @property
    def project(self) -> str:
        """Return the project's name."""
        return cast("str", self.config.project)

    @cached_property
    def loaded(self) -> Project:
        """Return the project with its compose file."""
        from stagecraft.loading import load_project

        return load_project(self.config, self.kernel, no_plugins=bool(self.values.get("no-plugins")))

    @property
    def reporter(self) -> Reporter:
        """Return what shows a run."""
        if self._reporter is None:
            from stagecraft.output.report import make_reporter

            self._reporter = make_reporter(self.sink)
        return self._reporter

    @contextmanager
    def context(self) -> Iterator[RunContext]:
        """Give a context in which providers work; a signal interrupts it."""
        with self.context_of(self.loaded) as context:
            yield context

    @contextmanager
    def context_of(self, project: Project) -> Iterator[RunContext]:
        """Give a context for a project other than the command's own environment."""
        import gc

        gc.enable()
        from stagecraft.context import RunContext, Secretary
        from stagecraft.machine.scope import Scope
        from stagecraft.run.signals import Interrupts

        scope, interrupts = Scope(), Interrupts()

        def fetch(names: tuple[str, ...]) -> Mapping[str, Any]:
            provider = project.secrets_provider()
            with project.blamed():
                return provider.fetch(context, names) if provider else {}

        context = RunContext(
            project.config.root,
            project.config.project,
            project.config.environment,
            scope,
            Secretary(project.secrets, fetch, self.sink.scrub),
            self.reporter,
            interrupts,
            hosts=project.config.hosts,
            login=project.config.login,
        )
        with interrupts.installed(), interrupts.handled_by(scope.cancel):
            try:
                yield context
            finally:
                context.close()

    @contextmanager
    def runner(self, *, wait: bool = False, no_cache: bool = False) -> Iterator[Runner]:
        """Give what deploys, rolls back, resumes and aborts."""
        import getpass
        import socket

        from stagecraft.run.deploy import Runner

        try:
            user = getpass.getuser()
        except (KeyError, OSError):
            user = str(os.getuid())
        with self.context() as ctx:
            yield Runner(
                self.loaded, ctx, f"{user}@{socket.gethostname()}", os.getpid(), WAIT if wait else 0.0, no_cache
            )

    def close(self) -> None:
        """Stop drawing."""
        if self._reporter is not None:
            self._reporter.close()


#: Seconds for which ``--wait`` queues.
WAIT = 3600.0
