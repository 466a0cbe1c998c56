"""The runtime ``swarm``: its steps. Each is a function in a module of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagecraft_hookspecs.runtime import Instance, Leftover, Prepared, Runtime, Target

from stagecraft_swarm.config import Config
from stagecraft_swarm.render import SwarmRenderer

if TYPE_CHECKING:
    from stagecraft_hookspecs.context import Context
    from stagecraft_hookspecs.values import Host

    from stagecraft_swarm.site import Site


class Swarm(Runtime):
    """Let Docker Swarm place and roll services as a stack."""

    name = "swarm"
    routable = False
    Config = Config
    Renderer = SwarmRenderer

    def preflight(self, ctx: Context, target: Target) -> None:
        """Check that the host is in a swarm, that a manager is known, and that the stack's name is not somebody else's."""
        from stagecraft_swarm import prepare

        prepare.preflight(self._site(ctx, target), target)

    def ship(self, ctx: Context, target: Target) -> None:
        """Have the release's files, images and networks, so that one-off commands can run; start nothing."""
        from stagecraft_swarm import prepare

        prepare.ship(self._site(ctx, target), target)

    def prepare(self, ctx: Context, target: Target) -> Prepared:
        """Bring images to the hosts, contents into the swarm, files to this host; start nothing."""
        from stagecraft_swarm import prepare

        return prepare.prepare(self._site(ctx, target), target)

    def switch(self, ctx: Context, target: Target) -> None:
        """Deploy the stack on the host that leads, and wait until it has converged."""
        from stagecraft_swarm import switch

        switch.switch(self._site(ctx, target), target)

    def undo(self, ctx: Context, target: Target) -> None:
        """Put the previous release's stack back; without one remove what this release made."""
        from stagecraft_swarm import undo

        undo.undo(self._site(ctx, target), target)

    def retire(self, ctx: Context, target: Target) -> None:
        """Wait for the stop of what was replaced; remove configs, secrets, labels and files that no kept release needs."""
        from stagecraft_swarm import retire

        retire.retire(self._site(ctx, target), target)

    def observe(self, ctx: Context, host: Host) -> tuple[Instance, ...]:
        """Return the tasks on a host's node."""
        from stagecraft_swarm import observe
        from stagecraft_swarm.site import Site

        return observe.observe(Site(ctx, host, ctx.hosts, self.config))

    def prune(self, ctx: Context, host: Host, keep: tuple[str, ...], *, dry_run: bool = False) -> tuple[Leftover, ...]:
        """Remove files, configs and secrets of releases that are not kept."""
        from stagecraft_swarm import retire
        from stagecraft_swarm.site import Site

        return retire.prune(Site(ctx, host, ctx.hosts, self.config), host, keep, dry_run=dry_run)

    def _site(self, ctx: Context, target: Target) -> Site:
        from stagecraft_swarm.site import Site

        return Site(ctx, target.host, target.deployment.hosts, self.config, target.deployment.release_id)
