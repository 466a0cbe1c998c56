"""The runtime ``compose``: its steps on one host's container engine. Each is a function in a module of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagecraft_hookspecs.runtime import Instance, Leftover, Prepared, Runtime, Target

from stagecraft_compose.config import Config
from stagecraft_compose.render import ComposeRenderer

if TYPE_CHECKING:
    from stagecraft_hookspecs.context import Context
    from stagecraft_hookspecs.values import Host

    from stagecraft_compose.site import Site


class Compose(Runtime):
    """Run services as containers of a Docker engine, created by Docker Compose."""

    name = "compose"
    routable = True
    Config = Config
    Renderer = ComposeRenderer

    def preflight(self, ctx: Context, target: Target) -> None:
        """Check engine, Compose, disk, ports and architecture; say all that is wrong in one error."""
        from stagecraft_compose import preflight

        preflight.preflight(_site(ctx, target, self.config), target)

    def prepare(self, ctx: Context, target: Target) -> Prepared:
        """Ship files, get images, create the new containers, start those that may run beside the old."""
        from stagecraft_compose import prepare

        return prepare.prepare(_site(ctx, target, self.config), target)

    def ship(self, ctx: Context, target: Target) -> None:
        """Have the release's images and files on the host, so that one-off commands can run; start nothing."""
        from stagecraft_compose import prepare

        prepare.ship(_site(ctx, target, self.config), target)

    def switch(self, ctx: Context, target: Target) -> None:
        """Replace the stop-first services in dependency order."""
        from stagecraft_compose import switch

        switch.switch(_site(ctx, target, self.config), target)

    def undo(self, ctx: Context, target: Target) -> None:
        """Make the previous release serve and remove what this one made."""
        from stagecraft_compose import undo

        undo.undo(_site(ctx, target, self.config), target)

    def retire(self, ctx: Context, target: Target) -> None:
        """Stop what the old release left running, keep it for a rollback, remove what has expired."""
        from stagecraft_compose import retire

        retire.retire(_site(ctx, target, self.config), target)

    def observe(self, ctx: Context, host: Host) -> tuple[Instance, ...]:
        """Return every instance of the project's environment on a host."""
        from stagecraft_compose import observe, site

        return observe.observe(site.open_site(ctx, host, self.config))

    def instances(self, ctx: Context, host: Host, release_id: str) -> tuple[Instance, ...]:
        """Return the instances that make up a release; when they started and how often is left out."""
        from stagecraft_compose import observe, site

        return observe.instances(site.open_site(ctx, host, self.config, release_id), release_id)

    def changed(self, ctx: Context, target: Target) -> tuple[str, ...]:
        """Return the release's files on the host that are missing or not as they were shipped."""
        from stagecraft_compose import drift

        return drift.changed(ctx, target)

    def prune(self, ctx: Context, host: Host, keep: tuple[str, ...], *, dry_run: bool = False) -> tuple[Leftover, ...]:
        """Remove stopped containers, image tags and folders of releases that are not kept."""
        from stagecraft_compose import prune, site

        return prune.prune(site.open_site(ctx, host, self.config), keep, dry_run=dry_run)


def _site(ctx: Context, target: Target, config: Config) -> Site:
    from stagecraft_compose.site import open_site

    return open_site(ctx, target.host, config, target.deployment.release_id)
