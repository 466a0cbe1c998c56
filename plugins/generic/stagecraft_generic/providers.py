"""The providers ``generic``: a backend and a frontend for any dev command and any Dockerfile."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagecraft_hookspecs.backend import Backend
from stagecraft_hookspecs.frontend import Frontend

from stagecraft_generic.application import GenericConfig, build_of, processes, service_of

if TYPE_CHECKING:
    from stagecraft_hookspecs.values import Build, Detected, Folder, Process, Project

_BACKENDS = ("api", "backend", "server", "app")
_FRONTENDS = ("web", "frontend", "www", "ui")


class GenericBackend(Backend):
    """Develop with any command, build with any Dockerfile."""

    name = "generic"
    Config = GenericConfig

    @classmethod
    def detect(cls, folder: Folder) -> Detected | None:
        """Recognise a folder of an API with a package.json or a Dockerfile."""
        from stagecraft_generic.detect import detect

        return detect(folder, _BACKENDS)

    def service(self, project: Project) -> str:
        """Return the configured service, the usual names' one, or the only one that is built."""
        return service_of(self.config, project, _BACKENDS)

    def dev(self, project: Project) -> tuple[Process, ...]:
        """Return the dev command."""
        return processes(self.config, "backend")

    def build(self, project: Project) -> Build | None:
        """Return the configured build, or None for the compose file's."""
        return build_of(self.config, self.service(project))


class GenericFrontend(Frontend):
    """Develop with any command, build with any Dockerfile."""

    name = "generic"
    Config = GenericConfig

    @classmethod
    def detect(cls, folder: Folder) -> Detected | None:
        """Recognise a folder of a web page with a package.json or a Dockerfile."""
        from stagecraft_generic.detect import detect

        return detect(folder, _FRONTENDS)

    def service(self, project: Project) -> str:
        """Return the configured service or the usual names' one."""
        return service_of(self.config, project, _FRONTENDS) if self.config.service or _named(project) else ""

    def dev(self, project: Project) -> tuple[Process, ...]:
        """Return the dev command."""
        return processes(self.config, "frontend")

    def build(self, project: Project) -> Build | None:
        """Return the configured build, or None for the compose file's."""
        return build_of(self.config, self.service(project))


def _named(project: Project) -> bool:
    return any(name in project.services for name in _FRONTENDS)
