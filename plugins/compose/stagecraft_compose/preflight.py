"""Check, before anything is changed, that a host can take the release."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stagecraft_hookspecs.errors import ProviderError, Refused, ToolMissing
from stagecraft_hookspecs.values import Command

from stagecraft_compose import naming, ports, services
from stagecraft_compose.engine import call

if TYPE_CHECKING:
    from stagecraft_compose.site import Site

#: Docker Engine 20.10 speaks API 1.41.
OLDEST_API = (1, 41)
OLDEST_COMPOSE = (2, 20)
_MB = 1024


def engine(site: Site) -> tuple[int, ...]:
    """Check the engine's version and return that of its API; costs one call."""
    found = call("ask for its version", lambda: site.engine.api.version(api_version=False))
    if numbers(found.get("ApiVersion", "0")) < OLDEST_API:
        raise ToolMissing(
            f"Docker Engine {found.get('Version')} on {site.host.name} is too old", hint="install 20.10 or later"
        )
    return numbers(found["ApiVersion"])


def room(site: Site, definitions: Mapping[str, Mapping[str, Any]]) -> None:
    """Check what creating containers needs: compose itself, disk space and inodes, free ports."""
    compose(site)
    disk(site)
    taken(site, definitions)


def compose(site: Site) -> None:
    """Check the version of Docker Compose, once per host: a file remembers the answer."""
    marker = f"{site.home}/compose-version"
    from stagecraft_compose.bundle import read_if_there

    if read_if_there(site.machine, marker):
        return
    result = site.machine.run(Command(("docker", "compose", "version", "--short"), cwd="/", timeout=30), check=False)
    if not result.ok:
        raise ToolMissing(
            f"Docker Compose is not installed on {site.host.name}", hint="install docker compose 2.20 or later"
        )
    version = result.stdout.strip()
    if numbers(version) < OLDEST_COMPOSE:
        raise ToolMissing(f"Docker Compose {version} on {site.host.name} is too old", hint="install 2.20 or later")
    site.machine.write(marker, version.encode())


def disk(site: Site) -> None:
    """Check free space and inodes where the engine keeps its data, as far as they can be read from here."""
    if not site.config.min_free_mb:
        return
    root = str(call("ask for its settings", site.engine.api.info).get("DockerRootDir") or "")
    for flag, least, unit in (("-Pk", site.config.min_free_mb * _MB, "KB"), ("-Pi", 2000, "inodes")):
        result = site.machine.run(Command(("df", flag, root), cwd="/", timeout=20), check=False)
        free = free_of(result.stdout) if result.ok else None
        if free is not None and free < least:
            amount = f"{free // _MB} MB" if unit == "KB" else f"{free} inodes"
            raise Refused(
                f"only {amount} free below {root} on {site.host.name}",
                hint="free some: docker system df shows what takes it",
            )


def free_of(output: str) -> int | None:
    """Return the fourth column of ``df``'s second line (available blocks or inodes); None where it says ``-``; pure."""
    lines = output.splitlines()
    fields = lines[1].split() if len(lines) > 1 else []
    return int(fields[3]) if len(fields) > 3 and fields[3].isdigit() else None


def taken(site: Site, definitions: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse when a port to be published is held by something that is not this project's."""
    wanted = [
        (name, address, int(port))
        for name, definition in sorted(definitions.items())
        for address, port, _, protocol in services.published(definition)
        if port.isdigit() and protocol == "tcp"
    ]
    if not wanted:
        return
    ours = set()
    for entry in call("list containers", lambda: site.engine.api.containers(all=False)):
        mine = (entry.get("Labels") or {}).get(naming.COMPOSE_PROJECT) == site.engine.project
        for bound in entry.get("Ports") or ():
            port = bound.get("PublicPort")
            if mine:
                ours.add(port)
            for service, address, number in wanted:
                if not mine and port == number and ports.overlap(address, str(bound.get("IP") or "")):
                    _refuse(site, number, service, f"container {entry['Names'][0].lstrip('/')}")
    if site.host.name != "local" or not str(site.engine.api.base_url).startswith("http+docker"):
        return
    for service, address, number in wanted:
        who = "" if number in ours else ports.holder(address, number)
        if who:
            _refuse(site, number, service, who)


def _refuse(site: Site, port: int, service: str, who: str) -> None:
    hint = "stop it, or publish another port in the compose file"
    raise ProviderError(f"port {port} of {service} is taken on {site.host.name} by {who}", hint=hint)


def numbers(version: str) -> tuple[int, ...]:
    """Return the first two numbers of a version, for comparing: ``2.26.1-4`` and ``v2.26`` are (2, 26); pure."""
    parts = version.lstrip("vV").split(".")[:2]
    return tuple(int("".join(c for c in part if c.isdigit()) or 0) for part in parts)
