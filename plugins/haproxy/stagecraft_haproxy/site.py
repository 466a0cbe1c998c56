"""Hold together what a step works on: one host, its engine, the proxy's folder there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from stagecraft_haproxy import names
from stagecraft_haproxy.config import Config
from stagecraft_haproxy.engine import call

if TYPE_CHECKING:
    from stagecraft_hookspecs.context import Context, Machine
    from stagecraft_hookspecs.values import Host


@attrs.frozen
class Site:
    """Name a proxy on a host.

    Attributes:
        api: The low-level client of the host's engine.
        folder: Absolute; the proxy's files on the host.
        name: The container.
    """

    ctx: Context
    host: Host
    machine: Machine
    api: Any
    config: Config
    folder: str
    name: str

    @property
    def labels(self) -> dict[str, str]:
        """Return what the container is known by."""
        return {
            names.KIND: "haproxy",
            names.PROJECT: self.ctx.project,
            names.ENVIRONMENT: self.ctx.environment,
            names.HOME: self.folder,
            names.IMAGE: self.image,
        }

    @property
    def image(self) -> str:
        """Return what only another container can have: the image, as it was configured."""
        return self.config.image

    def log(self, message: str, level: str = "info") -> None:
        """Say something of this host."""
        self.ctx.log(message, level=level, host=self.host.name)


def open_site(ctx: Context, host: Host, config: Config) -> Site:
    """Return the site; raises ToolMissing when the host's engine does not answer."""
    machine = ctx.machine(host)
    api = call("reach it", lambda: machine.docker().api)
    name = names.container(ctx.project, ctx.environment)
    return Site(ctx, host, machine, api, config, names.folder(ctx.home(host)), name)
