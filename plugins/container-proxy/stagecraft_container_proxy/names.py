"""Names of what a proxy has on a host: two environments or projects that share one never meet. All pure."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stagecraft_hookspecs.context import Context

PREFIX = "io.stagecraft.proxy"
#: Labels of the proxy's own. A runtime knows its containers by others, so that it neither shows nor prunes these.
PROJECT = f"{PREFIX}.project"
ENVIRONMENT = f"{PREFIX}.environment"
SETTINGS = f"{PREFIX}.settings"

#: How a runtime labels the containers of an environment.
RUNTIME_PROJECT = "io.stagecraft.project"
RUNTIME_ENVIRONMENT = "io.stagecraft.environment"


@attrs.frozen
class Names:
    """Name the parts of one environment's proxy.

    Attributes:
        kind: The proxy's name: ``caddy``.
    """

    kind: str
    project: str
    environment: str

    @property
    def container(self) -> str:
        """Return the container's name. The digest tells ``a-b`` of ``c`` from ``a`` of ``b-c``."""
        return f"{slug(self.project)}-{slug(self.environment)}-{self.kind}-{self._digest.hex()[:6]}"

    @property
    def volume(self) -> str:
        """Return the name of the volume with what the proxy itself keeps, such as certificates that it was issued."""
        return f"{self.container}-data"

    @property
    def labels(self) -> Mapping[str, str]:
        """Return the labels of all that belongs to this proxy."""
        return {PREFIX: self.kind, PROJECT: self.project, ENVIRONMENT: self.environment}

    @property
    def loopback(self) -> str:
        """Return an address in 127.0.0.0/8 on which this proxy tells what it does: another one per environment."""
        first, second, third = self._digest[:3]
        return f"127.{first % 127 + 128}.{second}.{third % 254 + 1}"

    @property
    def _digest(self) -> bytes:
        whole = "\0".join((self.kind, self.project, self.environment))
        return hashlib.sha256(whole.encode()).digest()


def of(ctx: Context, kind: str) -> Names:
    """Return the names of an environment's proxy."""
    return Names(kind, ctx.project, ctx.environment)


def slug(text: str) -> str:
    """Return ``text`` in the characters that a container's name allows."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:40] or "stagecraft"


def filename(identity: str) -> str:
    """Return a route's id as a file name: itself where it is plain, else its digest."""
    plain = re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}", identity)
    return identity if plain else hashlib.sha256(identity.encode()).hexdigest()


def hostport(address: str, port: int) -> str:
    """Return ``address:port``, an IPv6 address in brackets."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
