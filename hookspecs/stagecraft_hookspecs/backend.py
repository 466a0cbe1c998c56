"""Backend: the service that developers run with a command and deploy as an image.

A whole plugin is this file, ``stagecraft_rails/plugin.py``::

    import attrs
    from stagecraft_hookspecs import hookimpl
    from stagecraft_hookspecs.backend import Backend
    from stagecraft_hookspecs.values import Build, Command, Detected, Process, Ready

    @attrs.frozen
    class RailsConfig:
        service: str = attrs.field(default="web", metadata={"help": "the compose service that this backend is"})
        port: int = attrs.field(default=3000, metadata={"help": "port of the development server"})

    class Rails(Backend):
        '''Run `bin/rails server` while developing; build the project's own Dockerfile.'''

        name = "rails"
        Config = RailsConfig

        @classmethod
        def detect(cls, folder):
            return Detected({"service": "web"}, "bin/rails", 90) if folder.exists("bin/rails") else None

        def service(self, project):
            return self.config.service

        def dev(self, project):
            port = str(self.config.port)
            command = Command(("bin/rails", "server", "-p", port))
            return (Process("backend", command, ready=Ready(port=self.config.port)),)

        def build(self, project):
            return Build(self.config.service)

    @hookimpl
    def stagecraft_backend():
        return Rails

and in its ``pyproject.toml``::

    [project.entry-points.stagecraft]
    rails = "stagecraft_rails.plugin"

All four methods are pure: they see the project's files through ``Project.folder`` and return values. The kernel's supervisor
runs what ``dev`` returns; the kernel builds what ``build`` returns. Prove yours with ``contract.backend.BackendContract``.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from typing import TYPE_CHECKING

from stagecraft_hookspecs import hookspec
from stagecraft_hookspecs.provider import Provider

if TYPE_CHECKING:
    from stagecraft_hookspecs.values import Build, Detected, Folder, Process, Project


class Backend(Provider):
    """Say how the backend is developed and built."""

    @classmethod
    @abstractmethod
    def detect(cls, folder: Folder) -> Detected | None:
        """Recognise the project for ``stagecraft init``, or return None. Pure."""

    @abstractmethod
    def service(self, project: Project) -> str:
        """Return the compose service that this backend is, or an empty string when the compose file has none. Pure."""

    @abstractmethod
    def dev(self, project: Project) -> tuple[Process, ...]:
        """Return the processes of a development session, none if it has none. Pure."""

    @abstractmethod
    def build(self, project: Project) -> Build | None:
        """Return what to build, or None when the service's image is used as it is. Pure."""


@hookspec
def stagecraft_backend() -> type[Backend] | Iterable[type[Backend]]:  # type: ignore[empty-body]
    """Return backend classes. Called once, when a backend is looked up by name; nothing is constructed."""
