"""Make Caddy run with routes and their targets: start it, point it elsewhere, reload it only for anything else than targets.

A step that is killed leaves the former configuration or the new one; whatever it is, the same step again ends in the same place.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from stagecraft_container_proxy import names, ports, shipping, waiting
from stagecraft_container_proxy.box import MOUNT
from stagecraft_hookspecs.errors import ProviderError
from stagecraft_hookspecs.proxy import Endpoint, Route
from stagecraft_hookspecs.values import File

from stagecraft_caddy import render, status, targets
from stagecraft_caddy.site import Site
from stagecraft_caddy.status import Told

NEXT_FILE = "next.json"
#: Holds the digest of the certificates that the running Caddy has read.
TLS_FILE = "tls.sha256"
#: Seconds in which clients' connections are closed after their answers, before a reload closes those that are left.
CLOSING = 1.5


def converge(site: Site, routes: tuple[Route, ...], told: Told | None) -> None:
    """Make Caddy run with these routes, sending requests to their targets.

    Args:
        told: What the running Caddy said; None when it does not run.

    Raises:
        ProviderError: A stranger has a port, Caddy rejects the configuration, or does not start; the former routes stand.
    """
    open_routes = _without_held(site, routes, told)
    files = dict(render.CaddyRenderer(site.config).render(open_routes))
    config = files.pop(render.CONFIG_FILE).data
    extra = site.named(open_routes)
    site.machine.upload(extra, site.folder)
    tls = {path: file for path, file in extra.items() if path.startswith("tls/")}
    if told is None:
        _start(site, config, files)
    elif told.config != render.digest_of(config) or (tls and _loaded(site) != shipping.digest(tls)):
        _reload(site, config, files, told)
    elif not _point(site, files, told, open_routes):
        return
    if tls:
        site.machine.upload({TLS_FILE: File(shipping.digest(tls).encode())}, site.folder)
    _confirm(site, open_routes)
    _forget(site, set(told.targets if told else ()) - {route.id for route in routes})


def _without_held(site: Site, routes: tuple[Route, ...], told: Told | None) -> tuple[Route, ...]:
    """Return the routes whose ports no container of this environment still publishes."""
    own = {(site.keeper.names.loopback, status.PORT)}
    mine = told.places | own if told else frozenset[tuple[str, int]]()
    held = ports.yielded(site.keeper, routes, mine, own)
    for _, port in sorted(held):
        site.ctx.log(f"port {port} goes to caddy once the container that has it is stopped", host=site.host.name)
    return tuple(route for route in routes if (route.bind, route.listen) not in held)


def _start(site: Site, config: bytes, files: Mapping[str, File]) -> None:
    """Start Caddy with a configuration that it has approved of."""
    site.machine.upload(files, site.folder)
    if shipping.current(site.machine, f"{site.folder}/{render.CONFIG_FILE}") != config or site.keeper.state() is None:
        site.machine.write(f"{site.folder}/{NEXT_FILE}", config)
        code, said = site.keeper.attempt(site.box("caddy", "validate", "--config", f"{MOUNT}/{NEXT_FILE}"))
        if code:
            raise _rejected(site, said)
        _adopt(site, config)
    waiting.start(site.keeper, site.box(), site.told)


def _reload(site: Site, config: bytes, files: Mapping[str, File], told: Told) -> None:
    """Load another configuration: listeners, hosts, certificates. Rejected, the former one stands.

    A reload closes the clients' idle connections, and a request that is just being sent on one is lost. So for a moment each answer
    asks its client to close the connection; the few that stay idle all that time are closed by the reload.
    """
    machine = site.machine
    machine.write(f"{site.folder}/{NEXT_FILE}", config)
    code, said = site.keeper.run("caddy", "validate", "--config", f"{MOUNT}/{NEXT_FILE}")
    if code:
        raise _rejected(site, said)
    former = {f"targets/{names.filename(route)}": found for route, found in told.targets.items()}
    machine.upload({path: file for path, file in files.items() if path not in former}, site.folder)
    count = max([told.slots, *(len(file.data.split()) // 2 for file in files.values())])
    lines = {connection: _lines(former, count, connection) for connection in (targets.KEEP, targets.CLOSE)}
    message = "caddy is reloaded, because more than targets changes: a request on an idle connection can be lost"
    site.ctx.log(message, level="warning", host=site.host.name)
    try:
        if any(former.values()):
            machine.upload(lines[targets.CLOSE], site.folder)
            site.ctx.sleep(CLOSING)
        where = ("--config", f"{MOUNT}/{NEXT_FILE}", "--address", status.ADMIN)
        code, said = site.keeper.run("caddy", "reload", "--force", *where)
        if code:
            raise _rejected(site, said)
    except BaseException:
        machine.upload(lines[targets.KEEP], site.folder)
        raise
    machine.upload(files, site.folder)
    _adopt(site, config)


def _lines(former: Mapping[str, tuple[Endpoint, ...]], count: int, connection: str) -> dict[str, File]:
    return {path: File(targets.line(found, count, connection)) for path, found in former.items()}


def _point(site: Site, files: Mapping[str, File], told: Told, routes: Iterable[Route]) -> bool:
    """Write the files of those routes that have other targets: the next request reads them. Return whether there were any."""
    changed = {
        render.target_file(route)
        for route in routes
        if not route.redirect and (told.closing or told.shown.get(route.id) != targets.shown(route.targets))
    }
    for path in sorted(changed):
        site.machine.write(f"{site.folder}/{path}", files[path].data)
    return bool(changed)


def _confirm(site: Site, routes: Iterable[Route]) -> None:
    """Have Caddy itself say that it sends requests where they shall go."""
    told = site.told()
    if not told.able:
        raise ProviderError(
            f"the image {site.config.image} on {site.host.name} has a Caddy older than 2.8",
            hint="set the proxy's `image` to a newer one, and remove the container "
            f"{site.keeper.names.container} there: docker rm -f {site.keeper.names.container}",
        )
    for route in routes:
        if not route.redirect and told.shown.get(route.id) != targets.shown(route.targets):
            raise ProviderError(
                f"caddy on {site.host.name} still sends route {route.id} elsewhere",
                hint=f"see that it reads its files: docker exec {site.keeper.names.container} ls {MOUNT}/targets",
            )


def _adopt(site: Site, config: bytes) -> None:
    """Make a configuration that Caddy has accepted the one that it starts with."""
    site.machine.write(f"{site.folder}/{render.CONFIG_FILE}", config)
    site.machine.remove(f"{site.folder}/{NEXT_FILE}")


def _forget(site: Site, gone: Iterable[str]) -> None:
    """Remove the files of routes that there are no more."""
    for name in sorted(names.filename(route) for route in gone):
        for path in (f"targets/{name}", f"pages/{name}", f"tls/{name}.crt", f"tls/{name}.key"):
            site.machine.remove(f"{site.folder}/{path}")


def _loaded(site: Site) -> str:
    return (shipping.current(site.machine, f"{site.folder}/{TLS_FILE}") or b"").decode(errors="replace")


def _rejected(site: Site, said: str) -> ProviderError:
    site.machine.remove(f"{site.folder}/{NEXT_FILE}")
    lines = [line for line in said.splitlines() if line.startswith("Error:") or '"error"' in line] or said.splitlines()
    return ProviderError(
        f"caddy rejects the configuration of {site.host.name}",
        hint="its own words are above; the routes stand as they were",
        detail="\n".join(lines[-10:]),
    )
