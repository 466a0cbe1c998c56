"""The runtime ``process``: its steps, and the action that snapshots a service's folder."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

import attrs
from stagecraft_hookspecs.runtime import Instance, Prepared, Runtime, Target

from stagecraft_process.render import ProcessRenderer

if TYPE_CHECKING:
    from stagecraft_hookspecs.context import Context
    from stagecraft_hookspecs.values import Host, Operation


@attrs.frozen
class ProcessConfig:
    """Configure the runtime."""

    start_timeout: float = attrs.field(
        default=60.0, metadata={"help": "seconds within which a service without a healthcheck must listen on its PORT"}
    )


class Process(Runtime):
    """Run services as processes of this machine, without containers, from snapshots of their folders."""

    name = "process"
    Config = ProcessConfig
    images = False
    Renderer = ProcessRenderer

    def ship(self, ctx: Context, target: Target) -> None:
        """Store the release's units, so that one-off commands can run."""
        from stagecraft_process import steps

        steps.ship(ctx, target)

    def prepare(self, ctx: Context, target: Target) -> Prepared:
        """Start the new instances beside the old, on ports of their own, and wait until they are well."""
        from stagecraft_process import steps

        return steps.prepare(ctx, target, self.config.start_timeout)

    def switch(self, ctx: Context, target: Target) -> None:
        """Point the published ports to the new instances, all at once; replace stop-first services one by one."""
        from stagecraft_process import steps

        steps.switch(ctx, target, self.config.start_timeout)

    def undo(self, ctx: Context, target: Target) -> None:
        """Point the ports back and end the new instances."""
        from stagecraft_process import steps

        steps.undo(ctx, target, self.config.start_timeout)

    def retire(self, ctx: Context, target: Target) -> None:
        """Drain and stop the old instances; remove expired snapshots."""
        from stagecraft_process import steps

        steps.retire(ctx, target)

    def observe(self, ctx: Context, host: Host) -> tuple[Instance, ...]:
        """Return every instance."""
        from stagecraft_process import steps

        return steps.observe(ctx, host)


def take_snapshot(operation: Operation, ctx: Context) -> dict[str, str]:
    """Snapshot a service's folder and return which service's it is, and its digest."""
    from stagecraft_hookspecs.errors import UserError

    from stagecraft_process import snapshot

    service, context = operation.inputs["service"], operation.inputs["context"]
    folder = os.path.realpath(os.path.join(ctx.root, context))
    if not f"{folder}/".startswith(f"{os.path.realpath(ctx.root)}/"):
        raise UserError(
            f"the folder of service {service!r}, {context}, lies outside the project",
            hint="move it into the project, or run stagecraft in a folder above both",
        )
    home = os.path.realpath(ctx.home())
    os.makedirs(home, mode=0o700, exist_ok=True)
    mounts = {path: _place(home, ctx, part) for path, part in operation.inputs["mounts"].items()}
    digest = snapshot.take(home, folder, mounts)
    return {"service": service, "digest": digest}


def _place(home: str, ctx: Context, part: Mapping[str, str]) -> str:
    from stagecraft_process import layout

    if "volume" in part:
        return layout.volume_folder(home, part["volume"])
    return os.path.normpath(os.path.join(os.path.realpath(ctx.root), part["project"]))
