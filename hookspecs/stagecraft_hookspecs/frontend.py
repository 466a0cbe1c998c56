"""Frontend: the part that browsers load; a dev server while developing, usually static files when deployed.

A whole plugin is this file, ``stagecraft_parcel/plugin.py``::

    import attrs
    from stagecraft_hookspecs import hookimpl
    from stagecraft_hookspecs.frontend import Frontend
    from stagecraft_hookspecs.values import Build, Command, Detected, Process, Ready

    @attrs.frozen
    class ParcelConfig:
        service: str = attrs.field(default="web", metadata={"help": "the compose service that this frontend is"})
        port: int = attrs.field(default=1234, metadata={"help": "port of the development server"})

    class Parcel(Frontend):
        '''Run `npx parcel`; build static files and serve them.'''

        name = "parcel"
        Config = ParcelConfig

        @classmethod
        def detect(cls, folder):
            return Detected({}, ".parcelrc", 90) if folder.exists(".parcelrc") else None

        def service(self, project):
            return self.config.service

        def dev(self, project):
            command = Command(("npx", "parcel", "--port", str(self.config.port)))
            return (Process("frontend", command, ready=Ready(port=self.config.port)),)

        def build(self, project):
            return Build(self.config.service)

    @hookimpl
    def stagecraft_frontend():
        return Parcel

with the entry point ``parcel = "stagecraft_parcel.plugin"`` in the group ``stagecraft``. As with a backend, all four methods
are pure. Prove yours with ``contract.frontend.FrontendContract``.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from typing import TYPE_CHECKING

from stagecraft_hookspecs import hookspec
from stagecraft_hookspecs.provider import Provider

if TYPE_CHECKING:
    from stagecraft_hookspecs.values import Build, Detected, Folder, Process, Project


class Frontend(Provider):
    """Say how the frontend is developed and built."""

    @classmethod
    @abstractmethod
    def detect(cls, folder: Folder) -> Detected | None:
        """Recognise the project for ``stagecraft init``, or return None. Pure."""

    @abstractmethod
    def service(self, project: Project) -> str:
        """Return the compose service that serves this frontend, or an empty string when there is none. Pure."""

    @abstractmethod
    def dev(self, project: Project) -> tuple[Process, ...]:
        """Return the processes of a development session. Pure."""

    @abstractmethod
    def build(self, project: Project) -> Build | None:
        """Return what to build (``dockerfile_inline`` makes a static image without a file in the project), or None. Pure."""


@hookspec
def stagecraft_frontend() -> type[Frontend] | Iterable[type[Frontend]]:  # type: ignore[empty-body]
    """Return frontend classes. Called once, when a frontend is looked up by name; nothing is constructed."""
