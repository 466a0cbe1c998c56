"""The frontend ``vite``: its development server, and an image of its static files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagecraft_hookspecs.frontend import Frontend
from stagecraft_hookspecs.values import Build, Command, Detected, Process, Ready

from stagecraft_vite.config import ViteConfig

if TYPE_CHECKING:
    from stagecraft_hookspecs.values import Folder, Project

#: Names of services that usually serve the page.
_USUAL = ("web", "frontend", "client", "ui", "www")


class Vite(Frontend):
    """Run the Vite development server; build the page and serve its static files."""

    name = "vite"
    Config = ViteConfig

    @classmethod
    def detect(cls, folder: Folder) -> Detected | None:
        """Recognise a Vite configuration."""
        from stagecraft_vite.project import find_config, place_of

        found = find_config(folder)
        if not found:
            return None
        place = place_of(found)
        return Detected({"dev": {"workdir": place}} if place != "." else {}, found, 95)

    def service(self, project: Project) -> str:
        """Return the configured service, the one built from the page's folder, or the usual names' one."""
        if self.config.service:
            return str(self.config.service)
        place = self._place(project.folder)
        built = [name for name, definition in sorted(project.services.items()) if _builds(definition, place)]
        if len(built) == 1:
            return built[0]
        return next((name for name in _USUAL if name in project.services), "")

    def dev(self, project: Project) -> tuple[Process, ...]:
        """Return the development server, on 127.0.0.1 and the very port, ready when it accepts."""
        dev = self.config.dev
        port = str(dev.port)
        argv = tuple(word.replace("{port}", port) for word in dev.command) or (
            *("npx", "vite", "--host", "127.0.0.1", "--port", port),
            "--strictPort",
        )
        command = Command(argv, cwd=self._place(project.folder), env=dict(sorted(dev.env.items())))
        return (Process("frontend", command, Ready(port=dev.port, timeout=dev.timeout)),)

    def build(self, project: Project) -> Build | None:
        """Return the image of the page: by its own Dockerfile where it has one, else by one written here."""
        service = self.service(project)
        if not service:
            return None
        from stagecraft_vite.image import dockerfile
        from stagecraft_vite.project import has_lock, join, manager

        config, folder = self.config.build, project.folder
        place = config.context or self._place(folder)
        args = dict(sorted(config.args.items()))
        own = config.dockerfile or ("Dockerfile" if folder.exists(join(place, "Dockerfile")) else "")
        if own:
            return Build(service, place, own, args=args)
        text = dockerfile(config, manager(folder, place), has_lock(folder, place))
        return Build(service, place, dockerfile_inline=text, args=args)

    def _place(self, folder: Folder) -> str:
        from stagecraft_vite.project import find_config, place_of

        return str(self.config.dev.workdir) or place_of(find_config(folder))


def _builds(definition: object, place: str) -> bool:
    build = definition.get("build") if isinstance(definition, dict) else None
    context = build.get("context", "") if isinstance(build, dict) else build
    name = place.removeprefix("./").rstrip("/")
    return bool(name and name != "." and isinstance(context, str) and f"/{context.rstrip('/')}".endswith(f"/{name}"))
