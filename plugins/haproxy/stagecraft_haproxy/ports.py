"""Find out who holds a port of a host: HAProxy would share it with another HAProxy without a word."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import attrs
from stagecraft_hookspecs.errors import ProviderError, StagecraftError
from stagecraft_hookspecs.values import Command

from stagecraft_haproxy import names, store
from stagecraft_haproxy.engine import call

if TYPE_CHECKING:
    from stagecraft_hookspecs.proxy import Route

    from stagecraft_haproxy.site import Site

_EVERY = ("", "0.0.0.0", "::", "*")  # noqa: S104 - compared, not bound


@attrs.frozen
class Holder:
    """Say who holds a port: in words, with the next step. ``ours`` is a container of this environment's releases."""

    words: str
    hint: str
    ours: bool = False


def free(site: Site, routes: Iterable[Route]) -> frozenset[int]:
    """Make sure that the routes' ports can be had; return those that this environment's containers still publish.

    Raises:
        ProviderError: Somebody else has one, who is named.
    """
    wanted = sorted({(r.listen, r.bind) for r in routes})
    if not wanted:
        return frozenset()
    containers = call("list containers", lambda: site.api.containers())
    listening = _listening(site)
    later = set()
    for port, bind in wanted:
        holder = next(_holders(site, containers, port, bind), None)
        if holder is None and any(p == port and _overlap(a, bind) for a, p in listening):
            holder = _process(site, port)
        if holder is not None and holder.ours:
            later.add(port)
        elif holder is not None:
            raise ProviderError(f"port {port} of {site.host.name} is taken by {holder.words}", hint=holder.hint)
    return frozenset(later)


def _holders(site: Site, containers: Iterable[dict[str, Any]], port: int, bind: str) -> Iterator[Holder]:
    for entry in containers:
        name = str((entry.get("Names") or ["?"])[0]).lstrip("/")
        labels = entry.get("Labels") or {}
        if name == site.name:
            continue
        if names.KIND in labels and port in _proxied(site, labels.get(names.HOME, "")):
            whose = f"{labels.get(names.PROJECT)}/{labels.get(names.ENVIRONMENT)}"
            hint = "environments on one host cannot share a port: give one of them another"
            yield Holder(f"the proxy {name} of {whose}", hint)
        published = [p for p in entry.get("Ports") or () if p.get("PublicPort") == port and p.get("Type") == "tcp"]
        if any(_overlap(str(p.get("IP", "")), bind) for p in published):
            owner = (labels.get(names.RELEASE_PROJECT), labels.get(names.RELEASE_ENVIRONMENT))
            ours = owner == (site.ctx.project, site.ctx.environment)
            yield Holder(f"the container {name}", f"stop it: docker stop {name}", ours)


def _proxied(site: Site, folder: str) -> frozenset[int]:
    """Return the ports of another environment's proxy; none where its files may not be read."""
    try:
        return store.ports(site.machine.read(f"{folder}/{names.STATE}")) if folder else frozenset()
    except StagecraftError:
        return frozenset()


def _process(site: Site, port: int) -> Holder:
    """Name the process that listens on a port, as far as the login user may see it."""
    hint = f"see who it is: ss -ltnp 'sport = :{port}'"
    try:
        told = site.machine.run(Command(("ss", "-Hltnp", f"sport = :{port}"), timeout=10), check=False).stdout
    except ProviderError:
        told = ""
    found = re.search(r'users:\(\("([^"]+)",pid=(\d+)', told)
    return Holder(f"the process {found[1]} (pid {found[2]})" if found else "another process", hint)


def _listening(site: Site) -> tuple[tuple[str, int], ...]:
    """Return the TCP listeners of the host as (address, port); an address is empty where it is every one or IPv6."""
    tables = ("/proc/net/tcp", "/proc/net/tcp6")
    text = site.machine.run(Command(("cat", *tables), timeout=10), check=False).stdout
    rows = (line.split() for line in text.splitlines())
    return tuple(
        _socket(r[1]) for r in rows if len(r) > 9 and r[3] == "0A" and re.fullmatch(r"[0-9A-F]+:[0-9A-F]+", r[1])
    )


def _socket(text: str) -> tuple[str, int]:
    raw, _, port = text.partition(":")
    plain = len(raw) == 8 and raw != "00000000"
    return ".".join(str(b) for b in reversed(bytes.fromhex(raw))) if plain else "", int(port, 16)


def _overlap(one: str, other: str) -> bool:
    return one in _EVERY or other in _EVERY or one == other
