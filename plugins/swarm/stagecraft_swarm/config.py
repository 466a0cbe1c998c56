"""The runtime's block of ``stagecraft.yml``."""

from __future__ import annotations

import attrs


@attrs.frozen
class Config:
    """Configure the runtime ``swarm``."""

    stack_name: str = attrs.field(
        default="", metadata={"help": "Name of the stack in the swarm; default: PROJECT-ENVIRONMENT."}
    )
    deploy_timeout: float = attrs.field(
        default=0.0,
        metadata={"help": "Seconds that a service may take to converge; default: derived from its healthcheck."},
    )
