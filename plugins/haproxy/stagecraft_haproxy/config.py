"""The proxy's block of ``stagecraft.yml``."""

from __future__ import annotations

import attrs


@attrs.frozen
class Config:
    """Configure the proxy ``haproxy``."""

    image: str = attrs.field(
        default="haproxy:3.0",
        metadata={"help": "Image to run, HAProxy 3.0 or newer with Lua; name@sha256:… pins it."},
    )
    maxconn: int = attrs.field(default=8000, metadata={"help": "Connections that users may hold at once, per host."})
    trusted_proxies: tuple[str, ...] = attrs.field(
        default=(),
        metadata={"help": "Addresses or networks of load balancers in front, whose X-Forwarded-… headers are kept."},
    )
    reload_grace: float = attrs.field(
        default=3600.0,
        metadata={
            "help": "How long connections that were open before a reload, such as WebSockets, may last.",
            "format": "duration",
        },
    )
