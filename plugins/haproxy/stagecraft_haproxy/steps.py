"""The five steps of the proxy on one host."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs
from stagecraft_hookspecs.errors import ProviderError, StagecraftError

from stagecraft_haproxy import admin, apply, container, matching, names, ports, servers, store
from stagecraft_haproxy.files import gather

if TYPE_CHECKING:
    from stagecraft_hookspecs.proxy import Endpoint, Route

    from stagecraft_haproxy.admin import Live
    from stagecraft_haproxy.servers import Worker
    from stagecraft_haproxy.site import Site

_Wanted = Mapping[str, tuple[str, ...]]
_CONTENT = ("done", "New server registered.", "Server deleted.")


def ensure(site: Site, routes: tuple[Route, ...]) -> None:
    """Make the proxy run with these routes besides those that it has; see ``Proxy.ensure``."""
    found = container.find(site)
    had = _image(found)
    if had and had != site.image:
        site.log(f"the proxy {site.name} keeps its image, {had}, until it is removed", "warning")
    live, known = _live(site, found), store.read(site)
    merged = _merged(routes, known.routes, live)
    later = _unbound(site, merged, live)
    apply.apply(site, live, merged, gather(site, merged, later), known)


def switch(site: Site, routes: tuple[Route, ...]) -> None:
    """Send new requests to the routes' targets; see ``Proxy.switch``."""
    live, known = _live(site, container.find(site)), store.read(site)
    later = _unbound(site, routes, live)
    files = gather(site, routes, later)
    want = servers.wanted(routes)
    before = servers.renamed(routes, known.routes)
    if live is None or apply.differs(live, files):
        apply.apply(site, live, routes, files, known)
        live, known = admin.look(site), store.read(site)
    _move(site, live, want, {**before, **want})
    apply.apply(site, live, routes, files, known)


def serving(site: Site) -> dict[str, tuple[str, ...]]:
    """Return route id to the targets that get new requests."""
    if not container.runs(container.find(site)):
        raise ProviderError(f"the proxy {site.name} on {site.host.name} does not run", hint="deploy again")
    return servers.serving(admin.look(site).current)


def drain(site: Site, targets: tuple[Endpoint, ...], deadline: float) -> tuple[Endpoint, ...]:
    """Wait for the targets' requests in flight, in every worker; forget those that have none."""
    wanted = {names.server(target): target for target in targets}
    if not wanted or not container.runs(container.find(site)):
        return ()
    until, pause = site.ctx.monotonic() + deadline, 0.1
    while True:
        workers = admin.look(site).workers
        busy = {s.name for w in workers for row in w.backends.values() for s in row if s.name in wanted and s.sessions}
        left = until - site.ctx.monotonic()
        if not busy or left <= 0:
            _forget(site, workers, wanted.keys() - busy)
            return tuple(sorted(wanted[name] for name in busy))
        site.ctx.sleep(min(pause, left))
        pause = min(pause * 1.5, 1.0)


def remove(site: Site) -> None:
    """Stop the proxy and remove what it left."""
    container.remove(site)
    site.machine.remove(site.folder)


def _image(found: dict[str, Any] | None) -> str:
    return str((found["Config"].get("Labels") or {}).get(names.IMAGE, "")) if found else ""


def _live(site: Site, found: dict[str, Any] | None) -> Live | None:
    """Return the running proxy, started if it only stands still; None when there is no container."""
    if found is None:
        return None
    if not container.runs(found):
        apply.start(site)
    return admin.look(site)


def _merged(routes: tuple[Route, ...], known: tuple[Route, ...], live: Live | None) -> tuple[Route, ...]:
    """Return the routes with the targets that the proxy has; those that are no longer wanted stay until the switch.

    Of two that take the same requests the one that serves already goes first until then.
    """
    had = {r.id: r.targets for r in known}
    if live is not None:
        had = {r: servers.endpoints(live.current, r) for r in servers.serving(live.current)}
    asked = {r.id for r in routes}
    stay = tuple(attrs.evolve(r, targets=had.get(r.id, r.targets)) for r in known if r.id not in asked)
    stay = tuple(r for r in stay if _fits(r, routes))
    kept = tuple(attrs.evolve(r, targets=had.get(r.id, r.targets)) for r in routes)
    hidden = {r.id for r in kept if r.id not in had and any(matching.same(r, s) for s in stay)}
    return tuple(sorted((*stay, *(r for r in kept if r.id not in hidden)), key=lambda r: r.id))


def _fits(old: Route, routes: tuple[Route, ...]) -> bool:
    """Tell whether an old route can stay beside the new ones: a listener has TLS or has not."""
    beside = [r for r in routes if (r.bind, r.listen) == (old.bind, old.listen)]
    return all((r.tls == "off") == (old.tls == "off") for r in beside)


def _unbound(site: Site, routes: tuple[Route, ...], live: Live | None) -> frozenset[int]:
    """Return the ports that containers of this environment still publish: the proxy takes them at a later step."""
    had = live.current.ports if live else frozenset()
    later = ports.free(site, (r for r in routes if r.listen not in had))
    if later:
        shown = ", ".join(str(p) for p in sorted(later))
        site.log(f"port {shown} is the proxy's as soon as the containers that publish it let go", "debug")
    return later


def _move(site: Site, live: Live, want: _Wanted, everywhere: _Wanted) -> None:
    """Let the wanted servers in, then the others out, in every worker; put back what was there when one stays out."""
    workers = live.workers
    rows = live.current.backends.items()
    former = {b: tuple(s.name for s in row if s.open) for b, row in rows}
    try:
        if enter := [command for w in workers for command in servers.enter(w, everywhere)]:
            workers = _say(site, enter)
            _verify(site, workers, {b: tuple(sorted({*told, *former.get(b, ())})) for b, told in want.items()})
        if leave := [command for w in workers for command in servers.leave(w, everywhere)]:
            workers = _say(site, leave)
        _verify(site, workers, want)
    except StagecraftError:
        back = {b: former.get(b, ()) for b in want}
        if commands := [c for w in workers for c in (*servers.enter(w, back), *servers.leave(w, back))]:
            _say(site, commands)
        raise


def _say(site: Site, commands: list[str]) -> tuple[Worker, ...]:
    """Give commands and return how the workers are afterwards; what HAProxy objects to is in the log."""
    answers = admin.ask(site, *commands, *admin.STATE)
    for command, answer in zip(commands, answers, strict=False):
        if (text := answer.text.strip()) and text not in _CONTENT:
            site.log(f"{site.name}: {command}: {text}", "debug")
    return admin.told(site, answers)


def _verify(site: Site, workers: tuple[Worker, ...], want: _Wanted) -> None:
    faults = [fault for w in workers for fault in servers.missing(w, want)]
    if faults:
        message = f"the proxy on {site.host.name} does not send requests where it was told"
        raise ProviderError(message, hint="the former routes stand; try again", detail="\n".join(faults))


def _forget(site: Site, workers: tuple[Worker, ...], idle: set[str]) -> None:
    """Remove servers that get no request any more and have none."""
    commands = [
        command
        for worker in workers
        for backend, row in worker.backends.items()
        for server in row
        if server.name in idle and not server.open
        for command in servers.forget(worker, backend, server.name)
    ]
    if commands:
        admin.ask(site, *commands)
