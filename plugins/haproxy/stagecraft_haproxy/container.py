"""Find, make, check and remove the proxy's container."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stagecraft_hookspecs.errors import ProviderError, StagecraftError
from stagecraft_hookspecs.values import LOCAL, Image

from stagecraft_haproxy import names
from stagecraft_haproxy.engine import call, unless_gone

if TYPE_CHECKING:
    from stagecraft_haproxy.site import Site

#: Bind ports below 1024, give up root in the workers, read files of the login user, signal the workers. Nothing else.
_RIGHTS = ("DAC_OVERRIDE", "KILL", "NET_BIND_SERVICE", "SETGID", "SETUID")


def find(site: Site) -> dict[str, Any] | None:
    """Return the container as the engine describes it, or None; raises ProviderError when its name is somebody else's."""
    found: dict[str, Any] | None = unless_gone("look for the proxy", lambda: site.api.inspect_container(site.name))
    if found is None:
        return None
    labels = found["Config"].get("Labels") or {}
    mine = {k: v for k, v in site.labels.items() if k not in (names.IMAGE, names.HOME)}
    if any(labels.get(k) != v for k, v in mine.items()):
        message = f"the container {site.name} on {site.host.name} is not this environment's proxy"
        raise ProviderError(message, hint=f"rename it: docker rename {site.name} NAME")
    return found


def runs(found: dict[str, Any] | None) -> bool:
    """Tell whether a container is up."""
    return bool(found and found["State"].get("Running") and not found["State"].get("Restarting"))


def create(site: Site) -> None:
    """Create and start the container."""
    command = ["-W", "-db", "-S", f"{names.MASTER},mode,600", "-f", f"{names.MOUNT}/{names.CONFIG}"]
    _create(site, image(site), site.name, command, labels=site.labels, restart_policy={"Name": "always"})
    call("start the proxy", lambda: site.api.start(site.name))


def checked_apart(site: Site, file: str) -> tuple[int, str]:
    """Return exit code and output of HAProxy's own check of a configuration file, run in a container of its own."""
    name = f"{site.name}.check"
    unless_gone("remove a container", lambda: site.api.remove_container(name, force=True))
    _create(site, image(site), name, ["-c", "-f", f"{names.MOUNT}/{file}"])
    try:
        call("check the configuration", lambda: site.api.start(name))
        code = int(call("check the configuration", lambda: site.api.wait(name, timeout=60))["StatusCode"])
        return code, logs(site, name)
    finally:
        unless_gone("remove a container", lambda: site.api.remove_container(name, force=True))


def logs(site: Site, name: str, lines: int = 20) -> str:
    """Return the last lines that a container printed."""
    data = call("read the proxy's log", lambda: site.api.logs(name, tail=lines, stdout=True, stderr=True))
    return bytes(data).decode(errors="replace")


def remove(site: Site) -> None:
    """Stop the container, letting requests in flight end for a moment, and remove it; does nothing without one."""
    if find(site) is not None:
        unless_gone("stop the proxy", lambda: site.api.stop(site.name, timeout=5))
        unless_gone("remove the proxy", lambda: site.api.remove_container(site.name, v=True, force=True))


def image(site: Site) -> str:
    """Have the configured image on the host and return what to create the container from."""
    name, _, digest = site.config.image.partition("@")
    if digest:
        return site.ctx.image(Image(name, digest), site.host)
    found: dict[str, Any] | None = unless_gone("inspect an image", lambda: site.api.inspect_image(name))
    return str(found["Id"]) if found else _fetched(site, name)


def _fetched(site: Site, name: str) -> str:
    """Pull an image by its tag or, where the host cannot, send the one that this machine has."""
    site.ctx.progress(f"pulling {name}", host=site.host.name)
    try:
        call(f"pull {name}", lambda: site.api.pull(name if ":" in name.rpartition("/")[2] else f"{name}:latest"))
        return str(call("inspect an image", lambda: site.api.inspect_image(name))["Id"])
    except ProviderError as error:
        here = None if site.host == LOCAL else _here(site, name)
        if here is None:
            hint = f"pull it on the host, or have it here: docker pull {name}"
            raise ProviderError(
                f"{site.host.name} cannot have the image {name}", hint=hint, detail=str(error)
            ) from error
        return site.ctx.image(Image(name, here), site.host)


def _here(site: Site, name: str) -> str | None:
    try:
        local: Any = site.ctx.machine(LOCAL).docker().api
        found = unless_gone("inspect an image", lambda: local.inspect_image(name))
    except ProviderError:
        return None
    return str(found["Id"]) if found else None


def _create(site: Site, image_id: str, name: str, command: list[str], **more: Any) -> None:
    labels = more.pop("labels", {})
    host = call("prepare the proxy", lambda: site.api.create_host_config(**_host(site), **more))
    environment = {"STAGECRAFT_IPV6": "1"} if _ipv6(site) else {}
    call(
        "create the proxy",
        lambda: site.api.create_container(
            image_id,
            command,
            name=name,
            entrypoint=["haproxy"],
            environment=environment,
            labels=labels,
            user="0:0",
            stop_signal="SIGUSR1",
            host_config=host,
        ),
    )


def _host(site: Site) -> dict[str, Any]:
    return {
        "network_mode": "host",
        "binds": [f"{site.folder}:{names.MOUNT}:ro"],
        "tmpfs": {names.RUN: "mode=0700"},
        "read_only": True,
        "cap_drop": ["ALL"],
        "cap_add": list(_RIGHTS),
        "security_opt": ["no-new-privileges"],
        "log_config": {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}},
    }


def _ipv6(site: Site) -> bool:
    """Tell whether the host has IPv6, without which no listener of its kind can be had."""
    try:
        return bool(site.machine.read("/proc/net/if_inet6").strip())
    except StagecraftError:
        return False
