"""Remember on the host what the proxy was last given: its routes, and a digest of every file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs
from stagecraft_hookspecs.errors import NotFound
from stagecraft_hookspecs.proxy import Endpoint, Limits, Route

from stagecraft_haproxy import names

if TYPE_CHECKING:
    from stagecraft_hookspecs.values import File

    from stagecraft_haproxy.site import Site


@attrs.frozen
class Known:
    """Hold what was last given; empty where nothing was, or where the file cannot be read: then all is written anew."""

    routes: tuple[Route, ...] = ()
    files: Mapping[str, str] = attrs.field(factory=dict)


def read(site: Site) -> Known:
    """Return what the host remembers."""
    try:
        data = site.machine.read(f"{site.folder}/{names.STATE}")
    except NotFound:
        return Known()
    try:
        return _known(json.loads(data))
    except (ValueError, TypeError, KeyError, AttributeError):
        site.log(f"{site.folder}/{names.STATE} is damaged; all of the proxy's files are written anew", "warning")
        return Known()


def save(site: Site, routes: tuple[Route, ...], files: Mapping[str, File]) -> None:
    """Remember routes and files; last of all, so that a run that was killed before it does its work again."""
    state = {
        "version": 1,
        "routes": [attrs.asdict(r) for r in plain(routes)],
        "files": digests(files),
    }
    site.machine.write(f"{site.folder}/{names.STATE}", json.dumps(state, sort_keys=True).encode() + b"\n", mode=0o600)


def plain(routes: tuple[Route, ...]) -> tuple[Route, ...]:
    """Return routes as they are remembered: sorted, their targets without the names of instances."""
    bare = (attrs.evolve(r, targets=tuple(sorted(Endpoint(t.address, t.port) for t in r.targets))) for r in routes)
    return tuple(sorted(bare, key=lambda r: r.id))


def digests(files: Mapping[str, File]) -> dict[str, str]:
    """Return a digest of every file."""
    return {path: hashlib.sha256(file.data).hexdigest() for path, file in sorted(files.items())}


def ports(data: bytes) -> frozenset[int]:
    """Return the ports that a remembered state listens on; empty for a damaged one."""
    try:
        return frozenset(r.listen for r in _known(json.loads(data)).routes)
    except (ValueError, TypeError, KeyError, AttributeError):
        return frozenset()


def _known(data: Any) -> Known:
    files = {str(k): str(v) for k, v in data["files"].items()}
    return Known(tuple(_route(r) for r in data["routes"]), files)


def _route(data: dict[str, Any]) -> Route:
    targets = tuple(Endpoint(**t) for t in data["targets"])
    given = {**data, "hosts": tuple(data["hosts"]), "limits": Limits(**data["limits"]), "targets": targets}
    return Route(**given)
