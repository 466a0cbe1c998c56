"""The entry point: tell the kernel of the runtime ``docker-rollout``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagecraft_hookspecs import hookimpl

if TYPE_CHECKING:
    from stagecraft_docker_rollout.runtime import DockerRollout


@hookimpl
def stagecraft_runtime() -> type[DockerRollout]:
    """Return the runtime's class."""
    from stagecraft_docker_rollout.runtime import DockerRollout

    return DockerRollout
