"""The runtime ``docker-rollout``: the runtime ``compose``, but services are replaced by the tool."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagecraft_hookspecs.runtime import Instance, Prepared, Runtime, Target

from stagecraft_docker_rollout.config import Config
from stagecraft_docker_rollout.render import DockerRolloutRenderer

if TYPE_CHECKING:
    from stagecraft_compose.site import Site
    from stagecraft_hookspecs.context import Context
    from stagecraft_hookspecs.values import Host


class DockerRollout(Runtime):
    """Replace services with the docker-rollout tool, where a team has it already."""

    name = "docker-rollout"
    # the tool stops old containers in the same run that starts the new: nobody could move a route in between
    routable = False
    Config = Config
    Renderer = DockerRolloutRenderer

    def preflight(self, ctx: Context, target: Target) -> None:
        """Check engine, Compose, disk and ports as ``compose`` does, and that the tool is there."""
        from stagecraft_compose import preflight

        from stagecraft_docker_rollout import steps

        site = self._site(ctx, target.host, target.deployment.release_id)
        preflight.preflight(site, target)
        steps.require_tool(site)

    def ship(self, ctx: Context, target: Target) -> None:
        """Have the release's images and files on the host; start nothing."""
        from stagecraft_compose import prepare

        prepare.ship(self._site(ctx, target.host, target.deployment.release_id), target)

    def prepare(self, ctx: Context, target: Target) -> Prepared:
        """Ship the release; start nothing."""
        from stagecraft_docker_rollout import steps

        return steps.prepare(self._site(ctx, target.host, target.deployment.release_id), target)

    def switch(self, ctx: Context, target: Target) -> None:
        """Let the tool replace what changed, and check what it leaves."""
        from stagecraft_docker_rollout import steps

        steps.replace_all(self._site(ctx, target.host, target.deployment.release_id), target, self.config)

    def undo(self, ctx: Context, target: Target) -> None:
        """Make the previous release's containers again and remove this one's; the tool itself cannot."""
        from stagecraft_compose import undo

        undo.undo(self._site(ctx, target.host, target.deployment.release_id), target)

    def retire(self, ctx: Context, target: Target) -> None:
        """Remove services that left the compose file, and what has expired."""
        from stagecraft_compose import retire

        retire.retire(self._site(ctx, target.host, target.deployment.release_id), target)

    def observe(self, ctx: Context, host: Host) -> tuple[Instance, ...]:
        """Return every instance of the project's environment on a host."""
        from stagecraft_compose import observe

        return observe.observe(self._site(ctx, host, ""))

    def _site(self, ctx: Context, host: Host, release_id: str) -> Site:
        from stagecraft_compose.site import open_site

        return open_site(ctx, host, self.config, release_id)
