"""Names that this proxy gives: container, labels, files, backends, servers. All pure."""

from __future__ import annotations

import hashlib
import ipaddress
import re

from stagecraft_hookspecs.errors import ProviderError
from stagecraft_hookspecs.proxy import Endpoint

PREFIX = "io.stagecraft.proxy"
#: Labels on the container: which proxy it is, whose, from what, and where its files lie on the host.
KIND = PREFIX
PROJECT = f"{PREFIX}.project"
ENVIRONMENT = f"{PREFIX}.environment"
IMAGE = f"{PREFIX}.image"
HOME = f"{PREFIX}.home"

#: What the containers of a release carry.
RELEASE_PROJECT = "io.stagecraft.project"
RELEASE_ENVIRONMENT = "io.stagecraft.environment"

#: Where the proxy's folder is mounted in the container, read-only, and where its sockets lie, in memory.
MOUNT = "/etc/stagecraft"
RUN = "/run/stagecraft"
MASTER = f"{RUN}/master.sock"

CONFIG = "haproxy.cfg"
STATE = "state.json"
DRAFT = "draft"

#: The backend of requests that no route takes; routes' backends begin with ``r.``.
NONE = "none"
_BACKEND = "r."


def container(project: str, environment: str) -> str:
    """Return the container's name, another one for every environment of every project."""
    return f"{_slug(project)}.{_slug(environment)}.haproxy"


def folder(home: str) -> str:
    """Return where the proxy's files lie on the host."""
    return f"{home}/proxy"


def backend(route_id: str) -> str:
    """Return the name of a route's backend; ``route_of`` gives the id back."""
    return _BACKEND + re.sub(r"[^A-Za-z0-9.-]", lambda m: "".join(f"_{b:02X}" for b in m[0].encode()), route_id)


def route_of(backend_name: str) -> str | None:
    """Return the id of the route that a backend is for, or None for the proxy's own."""
    if not backend_name.startswith(_BACKEND):
        return None
    from urllib.parse import unquote

    return unquote(backend_name[len(_BACKEND) :].replace("_", "%"), errors="replace")


def server(target: Endpoint) -> str:
    """Return the name of a target's server, ``address:port``, by which it is known in every backend.

    Raises:
        ProviderError: Its address is no IP address; HAProxy takes no names at runtime.
    """
    try:
        ipaddress.ip_address(target.address)
    except ValueError as error:
        message = f"the target {target.address}:{target.port} is no IP address"
        raise ProviderError(message, hint="the runtime must say where its instances answer") from error
    return f"{target.address}:{target.port}"


def address(name: str) -> str:
    """Return a server's address as HAProxy's configuration wants it."""
    host, _, port = name.rpartition(":")
    return f"[{host}]:{port}" if ":" in host else name


def frontend(bind: str, port: int) -> str:
    """Return the name of a listener's frontend."""
    return f"f.{re.sub(r'[^A-Za-z0-9.]', '-', bind)}{'.' if bind else ''}{port}"


def pem(certificate: str, key: str) -> str:
    """Return the file that holds a certificate and its key, which the project has in these two."""
    both = f"{certificate}\0{key}"
    return f"certs/{hashlib.sha256(both.encode()).hexdigest()[:12]}.pem"


def page(route_id: str) -> str:
    """Return the file that holds a route's maintenance page as an HTTP answer."""
    return f"pages/{backend(route_id)[len(_BACKEND) :]}.http"


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "stagecraft"
