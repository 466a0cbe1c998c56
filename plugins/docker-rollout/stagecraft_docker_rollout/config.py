"""The runtime's block of ``stagecraft.yml``: that of ``compose``, and the tool's own options."""

from __future__ import annotations

import attrs
from stagecraft_compose.config import Config as ComposeConfig


@attrs.frozen
class Config(ComposeConfig):
    """Configure the runtime ``docker-rollout``."""

    wait: float = attrs.field(
        default=10.0,
        metadata={
            "format": "duration",
            "help": "Seconds that the tool waits for a service without a healthcheck.",
        },
    )
    wait_after_healthy: float = attrs.field(
        default=0.0,
        metadata={
            "format": "duration",
            "help": "Seconds between the new containers' health and the stop of the old, for a proxy to notice the new ones.",
        },
    )
    pre_stop_hook: str = attrs.field(
        default="",
        metadata={"help": "Shell command that the tool runs in old containers before it stops them, to drain them."},
    )
