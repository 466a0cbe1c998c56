"""The proxy's block of ``stagecraft.yml``."""

from __future__ import annotations

import attrs


@attrs.frozen
class Config:
    """Configure the proxy ``traefik``."""

    image: str = attrs.field(
        default="traefik:v3",
        metadata={"help": "Image of Traefik 3, by tag or NAME@sha256:DIGEST."},
    )
    acme_email: str = attrs.field(
        default="",
        metadata={"help": "Address that the certificate authority writes to; Traefik's ACME wants one."},
    )
    acme_ca: str = attrs.field(
        default="",
        metadata={
            "help": "Directory URL of the ACME certificate authority; default: Traefik's, which is Let's Encrypt."
        },
    )
    acme_ca_root: str = attrs.field(
        default="",
        metadata={"help": "PEM file, relative to the project, that the ACME server's own certificate is checked with."},
    )
    trusted_proxies: tuple[str, ...] = attrs.field(
        default=(),
        metadata={
            "help": "Addresses or CIDR ranges whose X-Forwarded-* headers are believed, such as a load balancer's."
        },
    )
