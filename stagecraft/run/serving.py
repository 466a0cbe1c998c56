"""Tell which release's services run where, and which of them are the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stagecraft_hookspecs.errors import NotFound, StateCorrupt, UserError

from stagecraft.run import bundle as bundles
from stagecraft.run.history import History

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stagecraft_hookspecs.runtime import Instance, Service
    from stagecraft_hookspecs.values import Release

    from stagecraft.context import RunContext
    from stagecraft.project import Project
    from stagecraft.run.bundle import Bundle

#: Keys that name an image, which its digest names better.
_NAMES = frozenset({"image", "build"})


class Serving:
    """Hold the release that serves an environment, its bundle, and what others of the history wanted.

    Raises:
        UserError: Nothing was deployed yet.
    """

    def __init__(self, project: Project, ctx: RunContext) -> None:
        self._project, self._ctx = project, ctx
        with project.blamed():
            self.history = History(project.state.releases(ctx))
        serving = self.history.serving
        if serving is None:
            raise UserError(
                f"nothing was deployed to {ctx.environment} yet", hint=self.next_step or "run `stagecraft deploy`"
            )
        self.release: Release = serving
        self._bundles: dict[str, Bundle] = {}
        self.bundle: Bundle = self._bundle(serving.id)

    @property
    def next_step(self) -> str:
        """Return the command that ends the run which did not end by itself; empty when there is none."""
        if self.history.unfinished is None:
            return ""
        return f"`stagecraft deploy -e {self._ctx.environment} --resume` finishes it, `--abort` undoes it"

    def same(self, service: str, one: str, other: str) -> bool:
        """Tell whether two releases want the same of a service, so that the other's instance may well stay as it is."""
        if one == other or not one or not other:
            return True
        try:
            return bool(self._wanted(one, service) == self._wanted(other, service))
        except (NotFound, StateCorrupt):
            return False

    def mixed(self, instances: Iterable[Instance]) -> dict[str, tuple[tuple[str, str], ...]]:
        """Return the services whose serving instances differ between hosts or from the release: host and release id of each."""
        found: dict[str, set[tuple[str, str]]] = {}
        for i in instances:
            if i.active and i.state != "missing" and i.release_id:
                found.setdefault(i.service, set()).add((i.host, i.release_id))
        return {
            service: tuple(sorted(where))
            for service, where in sorted(found.items())
            if not all(self.same(service, release, self.release.id) for _, release in where)
        }

    def _wanted(self, release_id: str, service: str) -> Any:
        found: Service | None = next(
            (s for s in self._bundle(release_id).deployment.services if s.name == service), None
        )
        if found is None:
            return None
        definition = {k: v for k, v in found.definition.items() if k not in _NAMES}
        return definition, found.image.digest if found.image else ""

    def _bundle(self, release_id: str) -> Bundle:
        if release_id not in self._bundles:
            origin = self.history.origin(self.history.get(release_id))
            with self._project.blamed():
                store = self._project.state.open(self._ctx, origin.id)
                self._bundles[release_id] = bundles.load(store, origin.id)
        return self._bundles[release_id]
