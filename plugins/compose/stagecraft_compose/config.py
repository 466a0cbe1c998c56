"""The runtime's block of ``stagecraft.yml``."""

from __future__ import annotations

import attrs


@attrs.frozen
class Config:
    """Configure the runtime ``compose``."""

    project_name: str = attrs.field(
        default="",
        metadata={
            "help": "Name of the compose project on the engine; default: PROJECT-ENVIRONMENT. Set it to adopt one."
        },
    )
    deploy_timeout: float = attrs.field(
        default=0.0,
        metadata={"help": "Seconds that a service may take to become healthy; default: derived from its healthcheck."},
    )
    min_free_mb: int = attrs.field(
        default=256,
        metadata={"help": "Free disk space, in MB, below which a deploy is refused; 0 turns the check off."},
    )
