"""Read which servers a worker has and how they do; decide what must be said to it. All pure."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping

import attrs
from stagecraft_hookspecs.proxy import Endpoint, Route

from stagecraft_haproxy import matching, names
from stagecraft_haproxy.backends import WATCH

#: What HAProxy says of a server's administrative state, as bits.
_DRAINED, _MAINTAINED = 0x08 | 0x10, 0x01 | 0x02 | 0x04 | 0x20
_STARTING, _RUNNING = 1, 2


@attrs.frozen
class Server:
    """Describe a server of a backend.

    Attributes:
        name: ``address:port``.
        open: Whether it may get new requests; one that is drained or in maintenance may not.
        well: Whether its checks succeed, or it has none.
        sessions: Requests, streams and WebSockets in flight; idle connections are none.
    """

    name: str
    open: bool
    well: bool = True
    sessions: int = 0

    @property
    def serves(self) -> bool:
        """Tell whether it gets new requests."""
        return self.open and self.well


@attrs.frozen
class Worker:
    """Describe a process of the proxy: backend to its servers, and the ports that it listens on.

    Old ones, from before a reload, end when their last connection does.
    """

    pid: str
    current: bool
    backends: Mapping[str, tuple[Server, ...]]
    ports: frozenset[int] = frozenset()

    def said(self, command: str) -> str:
        """Return a command as the master passes it on to this worker."""
        return f"@!{self.pid} {command}"


def read_worker(label: str, stat: str, state: str) -> Worker:
    """Read the answers to ``show stat`` and ``show servers state``; lines that are none are passed over."""
    kind, _, pid = label.partition(":")
    found: dict[str, list[Server]] = {}
    ports: set[int] = set()
    flags = dict(_states(state))
    for row in csv.DictReader(line for line in stat.removeprefix("# ").splitlines() if line.count(",") > 20):
        backend, name = str(row.get("pxname")), str(row.get("svname"))
        if name == "FRONTEND":
            ports.update(int(p) for p in [backend.rpartition(".")[2]] if p.isdigit())
        elif name == "BACKEND":
            found.setdefault(backend, [])
        elif row.get("type") == "2" and (backend, name) in flags:
            sessions = str(row.get("scur"))
            server = Server(name, *flags[backend, name], int(sessions) if sessions.isdigit() else 0)
            found.setdefault(backend, []).append(server)
    backends = {name: tuple(servers) for name, servers in sorted(found.items())}
    return Worker(pid, kind == "current", backends, frozenset(ports))


def _states(text: str) -> Iterator[tuple[tuple[str, str], tuple[bool, bool]]]:
    """Yield (backend, server) and whether it is open and well."""
    for line in text.splitlines():
        fields = line.split()
        if len(fields) > 6 and fields[0].isdigit() and fields[5].isdigit() and fields[6].isdigit():
            is_open = not int(fields[6]) & (_DRAINED | _MAINTAINED)
            yield (fields[1], fields[3]), (is_open, int(fields[5]) in (_STARTING, _RUNNING))


def wanted(routes: Iterable[Route]) -> dict[str, tuple[str, ...]]:
    """Return each route's backend with the names of its servers, sorted; redirects have none."""
    return {names.backend(r.id): tuple(sorted({names.server(t) for t in r.targets})) for r in routes if not r.redirect}


def renamed(routes: Iterable[Route], known: Iterable[Route]) -> dict[str, tuple[str, ...]]:
    """Return the backends of routes that were replaced by one that takes the same requests, with that one's servers.

    Old workers know them only by their former names.
    """
    now = tuple(routes)
    gone = [r for r in known if r.id not in {n.id for n in now}]
    return {names.backend(r.id): wanted([n])[names.backend(n.id)] for r in gone for n in now if _replaces(n, r)}


def _replaces(new: Route, old: Route) -> bool:
    return not new.redirect and not old.redirect and matching.same(new, old)


def serving(worker: Worker) -> dict[str, tuple[str, ...]]:
    """Return each route's servers that get new requests, sorted."""
    found = {names.route_of(name): servers for name, servers in worker.backends.items()}
    return {k: tuple(sorted(s.name for s in v if s.serves)) for k, v in sorted(found.items(), key=str) if k is not None}


def endpoints(worker: Worker, route: str) -> tuple[Endpoint, ...]:
    """Return a route's targets as the proxy has them, failing ones included, those that are taken out excluded."""
    inside = [s for s in worker.backends.get(names.backend(route), ()) if s.open]
    split = (s.name.rpartition(":") for s in inside)
    return tuple(sorted(Endpoint(host, int(port)) for host, _, port in split if port.isdigit()))


def enter(worker: Worker, want: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    """Yield the commands that make the wanted servers take requests; nothing for those that do."""
    for backend, servers in _known(worker, want):
        there = {s.name: s for s in worker.backends[backend]}
        for name in servers:
            at, found = f"{backend}/{name}", there.get(name)
            if found is None:
                # an old worker checks nothing any more
                yield worker.said(f"add server {at} {names.address(name)} {WATCH if worker.current else ''}".rstrip())
            if found is not None and found.serves:
                continue
            if not worker.current:
                yield worker.said(f"stagecraft enter {at}")
                continue
            yield worker.said(f"enable health {at}")
            yield worker.said(f"set server {at} state ready")
            yield worker.said(f"set server {at} health up")


def leave(worker: Worker, want: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    """Yield the commands that keep new requests from all other servers, and forget those that have long been idle."""
    for backend, servers in _known(worker, want):
        for server in worker.backends[backend]:
            if server.name in servers:
                continue
            if server.open:
                at = f"{backend}/{server.name}"
                yield worker.said(f"set server {at} state drain" if worker.current else f"stagecraft leave {at}")
            elif not server.sessions:
                yield from forget(worker, backend, server.name)


def forget(worker: Worker, backend: str, name: str) -> Iterator[str]:
    """Yield the commands that remove a server that has nothing in flight; an old worker keeps it until it ends."""
    if not worker.current:
        return
    yield worker.said(f"set server {backend}/{name} state maint")
    yield worker.said(f"del server {backend}/{name}")


def missing(worker: Worker, want: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Return what a worker does not do as wanted, in words; empty when all is so."""
    told = {b: {s.name: s for s in servers} for b, servers in worker.backends.items()}
    faults = []
    for backend, servers in want.items():
        if backend not in told:
            if worker.current:
                faults.append(f"{backend}: is not there")
            continue
        # a target that fails its checks at once is in, and is passed over: that is no fault of the switch
        faults += [f"{backend}: {n} is not in" for n in servers if _out(told[backend].get(n))]
        faults += [f"{backend}: {n} is still in" for n, s in told[backend].items() if n not in servers and not _out(s)]
    return tuple(sorted(faults))


def _out(server: Server | None) -> bool:
    return server is None or not server.open


def _known(worker: Worker, want: Mapping[str, tuple[str, ...]]) -> Iterator[tuple[str, tuple[str, ...]]]:
    return ((backend, servers) for backend, servers in sorted(want.items()) if backend in worker.backends)
