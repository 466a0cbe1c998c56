"""Check that a host can take a release, before anything is built and again before containers are created.

All that is wrong with a host is said in one error.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from stagecraft_hookspecs.errors import ProviderError, Refused, StagecraftError, ToolMissing, UserError
from stagecraft_hookspecs.values import Command

from stagecraft_compose import facts, naming, ports, services
from stagecraft_compose.facts import Facts

if TYPE_CHECKING:
    from stagecraft_hookspecs.context import Context
    from stagecraft_hookspecs.runtime import Service, Target
    from stagecraft_hookspecs.values import Host

    from stagecraft_compose.site import Site

#: Docker Engine 20.10 speaks API 1.41.
OLDEST_API = (1, 41)
OLDEST_COMPOSE = (2, 20)
LEAST_INODES = 2000
#: Seconds by which a host's clock may differ before it is worth a word.
SKEW = 30.0
_MB = 1024
#: What engines, kernels and compose files call the same thing.
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "armv6l": "arm", "i686": "386", "i386": "386"}
#: What the kernel's handlers for foreign programs are called.
_EMULATORS = {"amd64": "x86_64", "arm64": "aarch64", "386": "i386"}
#: Say why the engine cannot be reached: who asks, whether the command and the socket are there, whether it may be used.
ACCESS_SCRIPT = """\
[ -z "${DOCKER_HOST:-}" ] || { echo silent; exit 0; }
command -v docker >/dev/null || { echo missing; exit 0; }
[ -S /var/run/docker.sock ] || { echo stopped; exit 0; }
[ -w /var/run/docker.sock ] && echo silent || echo "forbidden $(id -un)"
"""


def preflight(site: Site, target: Target) -> None:
    """Check all that can be known before anything is built; see ``Runtime.preflight``."""
    known = facts.look(site)
    here = target.deployment.on(site.host.name)
    wanted = {s.name: s.definition for s in here if not target.only or s.name in target.only}
    problems = [
        engine(site),
        *room(site, known),
        *taken(site, known, wanted),
        *architectures(site, known, here),
        *addresses(site, known, here),
    ]
    refuse(site.host.name, [p for p in problems if p])
    if known.skew is not None and abs(known.skew) > SKEW:
        way = "ahead" if known.skew > 0 else "behind"
        message = f"the clock of {site.host.name} is {abs(known.skew):.0f} s {way}: logs and certificates depend on it"
        site.ctx.log(message, level="warning", host=site.host.name)


def before_creating(site: Site, definitions: Mapping[str, Mapping[str, Any]]) -> str:
    """Check again what may have changed since; return the version of Docker Compose."""
    known = facts.look(site)
    refuse(site.host.name, [*room(site, known), *taken(site, known, definitions)])
    return known.compose


def refuse(host: str, problems: Iterable[StagecraftError]) -> None:
    """Raise the problem, or one error for all of them; nothing without any."""
    found = list(problems)
    if not found:
        return
    if len(found) == 1:
        raise found[0]
    kind = Refused if all(isinstance(p, UserError) for p in found) else ProviderError
    lines = [line for p in found for line in (f"- {p.message}", *([f"  {p.hint}"] if p.hint else ()))]
    message = f"{host} cannot take the release, for {len(found)} reasons: {'; '.join(p.message for p in found)}"
    raise kind(message, hint=found[0].hint, detail="\n".join(lines))


def engine(site: Site) -> ToolMissing | None:
    """Return what is wrong with the engine's version; the client knows it already."""
    version = str(site.engine.api.api_version)
    if numbers(version) >= OLDEST_API:
        return None
    return ToolMissing(
        f"the Docker engine on {site.host.name} is too old (API {version})", hint="install Docker Engine 20.10 or later"
    )


def room(site: Site, known: Facts) -> Iterator[StagecraftError]:
    """Find what creating containers lacks: compose itself, disk space and inodes where the engine keeps its data.

    How much room the images will take is not known before they are there.
    """
    host = site.host.name
    if not known.compose:
        yield ToolMissing(f"Docker Compose is not installed on {host}", hint="install docker compose 2.20 or later")
    elif numbers(known.compose) < OLDEST_COMPOSE:
        yield ToolMissing(f"Docker Compose {known.compose} on {host} is too old", hint="install 2.20 or later")
    least = site.config.min_free_mb
    hint = "free some: docker system df shows what takes it"
    if least and known.kilobytes is not None and known.kilobytes < least * _MB:
        yield Refused(f"only {known.kilobytes // _MB} MB free below {known.root} on {host}", hint=hint)
    if least and known.inodes is not None and known.inodes < LEAST_INODES:
        yield Refused(f"only {known.inodes} inodes free below {known.root} on {host}", hint=hint)


def taken(site: Site, known: Facts, definitions: Mapping[str, Mapping[str, Any]]) -> Iterator[StagecraftError]:
    """Find ports to be published that are held by something that is not this environment's."""
    wanted = [
        (name, address, int(port))
        for name, definition in sorted(definitions.items())
        for address, port, _, protocol in services.published(definition)
        if port.isdigit() and protocol == "tcp"
    ]
    ours, theirs = _bound(site, known)
    for service, address, port in wanted:
        who = next((name for name, at, number in theirs if number == port and ports.overlap(address, at)), "")
        if not who and port not in ours:
            who = _process(site, known, address, port)
        if who:
            hint = "stop it, or publish another port in the compose file"
            yield ProviderError(f"port {port} of {service} is taken on {site.host.name} by {who}", hint=hint)


def _bound(site: Site, known: Facts) -> tuple[set[int], list[tuple[str, str, int]]]:
    """Return the ports that our containers publish, and those of others as (who, address, port)."""
    ours: set[int] = set()
    theirs: list[tuple[str, str, int]] = []
    for entry in known.containers:
        for bound in entry.get("Ports") or ():
            port = bound.get("PublicPort")
            if port and _is_ours(site, entry):
                ours.add(port)
            elif port:
                theirs.append((f"container {entry['Names'][0].lstrip('/')}", str(bound.get("IP") or ""), port))
    return ours, theirs


def _is_ours(site: Site, entry: Mapping[str, Any]) -> bool:
    """Tell whether a container is this environment's: one of its services, or its proxy."""
    labels = entry.get("Labels") or {}
    named = labels.get(naming.PROJECT) == site.ctx.project and labels.get(naming.ENVIRONMENT) == site.ctx.environment
    return named or labels.get(naming.COMPOSE_PROJECT) == site.engine.project


def _process(site: Site, known: Facts, address: str, port: int) -> str:
    """Name the process that listens on a port of the host, or nothing."""
    inodes = tuple(inode for at, number, inode in known.listeners if number == port and ports.overlap(at, address))
    if not inodes or (naming.is_local(site.host) and not str(site.engine.api.base_url).startswith("http+docker")):
        return ""  # the engine of this machine may be told to run elsewhere
    containers = {str(entry["Id"]): entry for entry in known.containers}
    found = facts.holders(site.machine, inodes)
    for container, who in found.values():
        entry = containers.get(container)
        if entry is None:
            return who
        return "" if _is_ours(site, entry) else f"container {entry['Names'][0].lstrip('/')}"
    # somebody else's process, or one of ours in the host's own network, which only root may look at
    hosted = any(
        _is_ours(site, e) and (e.get("HostConfig") or {}).get("NetworkMode") == "host" for e in known.containers
    )
    return "" if hosted else "another process"


def architectures(site: Site, known: Facts, here: Iterable[Service]) -> Iterator[StagecraftError]:
    """Find services whose platform is another than the engine's and not emulated there."""
    own = _architecture(str(known.info.get("Architecture") or ""))
    for service in here:
        built = service.build.platforms if service.build else ()
        asked = [str(service.definition["platform"])] if service.definition.get("platform") else list(built)
        if not own or not asked or any(_runs(platform, own, known.emulated) for platform in asked):
            continue
        hint = f"set platform (build.platforms) to linux/{own}, or install an emulator there (binfmt)"
        yield Refused(f"{service.name} is for {', '.join(asked)}, and {site.host.name} is linux/{own}", hint=hint)


def _runs(platform: str, own: str, emulated: Iterable[str]) -> bool:
    parts = platform.lower().split("/")
    wanted = _architecture(parts[1] if len(parts) > 1 else parts[0])
    return wanted == own or f"qemu-{_EMULATORS.get(wanted, wanted)}" in set(emulated)


def _architecture(name: str) -> str:
    return _ARCHITECTURES.get(name.lower(), name.lower())


def addresses(site: Site, known: Facts, here: Iterable[Service]) -> Iterator[StagecraftError]:
    """Find services that a proxy on the host could not reach, because the engine's networks are not the host's."""
    rootless = any("rootless" in str(option) for option in known.info.get("SecurityOptions") or ())
    routed = sorted(s.name for s in here if s.routes)
    if rootless and routed:
        message = f"the Docker engine on {site.host.name} is rootless, so a proxy cannot reach {', '.join(routed)}"
        yield Refused(message, hint="run the engine as root there, or leave the proxy out of this environment")


def unreachable(ctx: Context, host: Host, error: ToolMissing) -> ToolMissing:
    """Return the error of an engine that does not answer, with the reason where the host tells it."""
    argv = ("sh", "-c", ACCESS_SCRIPT)
    said = ctx.machine(host).run(Command(argv, cwd="/", timeout=30), check=False).stdout.split()
    if said[:1] == ["missing"]:
        return ToolMissing(f"Docker is not installed on {host.name}", hint="install Docker Engine 20.10 or later")
    if said[:1] == ["forbidden"]:
        user = said[-1]
        return ToolMissing(
            f"{user} may not use the Docker engine on {host.name}",
            hint=f"as root there: usermod -aG docker {user}; then connect anew",
        )
    if said[:1] == ["stopped"]:
        return ToolMissing(
            f"the Docker engine on {host.name} does not run",
            hint="as root there: systemctl start docker",
            detail=error.detail,
        )
    return error


def numbers(version: str) -> tuple[int, ...]:
    """Return the first two numbers of a version, for comparing: ``2.26.1-4`` and ``v2.26`` are (2, 26); pure."""
    parts = version.lstrip("vV").split(".")[:2]
    return tuple(int("".join(c for c in part if c.isdigit()) or 0) for part in parts)
