"""What a proxy's container is made of. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import attrs

#: Where the folder with the rendered files appears in the container, read-only.
MOUNT = "/stagecraft"


@attrs.frozen
class Box:
    """Describe the container.

    Attributes:
        image: As the user wrote it: a tag or ``NAME@sha256:…``.
        command: What it runs.
        environment: Variables.
        folder: Folder of the host that appears at ``MOUNT``, read-only.
        data: Where the data volume appears.
        grace: Seconds between the stop signal and the end.
    """

    image: str
    command: tuple[str, ...]
    folder: str
    data: str
    environment: Mapping[str, str] = attrs.field(factory=dict)
    grace: float = 10.0

    @property
    def fingerprint(self) -> str:
        """Return a digest that changes with anything that only a new container can change."""
        whole = json.dumps(attrs.asdict(self), sort_keys=True)
        return hashlib.sha256(whole.encode()).hexdigest()[:16]

    def options(self, volume: str, *, restart: bool) -> dict[str, Any]:
        """Return the SDK's options: the host's network, few rights, and back after a restart of the engine or the host."""
        return {
            "command": list(self.command),
            "environment": dict(self.environment),
            "network_mode": "host",
            "restart_policy": {"Name": "unless-stopped"} if restart else None,
            "volumes": {
                self.folder: {"bind": MOUNT, "mode": "ro"},
                volume: {"bind": self.data, "mode": "rw"},
            },
            # root in there reads what the login user owns, binds low ports, and may do nothing else
            "user": "0:0",
            "cap_drop": ["ALL"],
            "cap_add": ["NET_BIND_SERVICE", "DAC_READ_SEARCH"],
            "security_opt": ["no-new-privileges"],
        }
