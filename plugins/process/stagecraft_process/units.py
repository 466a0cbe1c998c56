"""Make a service's unit: all that the supervisor needs to run it, as JSON-like data. Pure.

A unit's keys: ``argv``, ``shell`` (whether a shell runs it), ``folder`` (below the snapshot), ``env``, ``ports``
(each ``ip``, ``published``: 0 for any, ``target``), ``targets`` (container ports that get a port of their own, at
least one), ``listens`` (those that must accept connections), ``health``, ``stop_signal``, ``stop_grace``,
``replicas``, ``restart``, ``max_restarts``, ``depends_on``, ``monitor``, ``volumes``. Texts in ``argv``, ``env`` and
``health.test`` may be parts (``stagecraft_process.parts``).
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stagecraft_process import dockerfile, parts
from stagecraft_process.durations import seconds
from stagecraft_process.sources import Source, clean, covering, mounts

if TYPE_CHECKING:
    from stagecraft_hookspecs.runtime import Service

STOP_GRACE = 10.0
DEFAULT_TARGET = 8000


def make_unit(service: Service, source: Source, targets: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    """Return the unit of a service.

    Args:
        targets: Container ports of every service of the deployment.
    """
    definition, recipe = service.definition, source.recipe
    own = targets[service.name] or (DEFAULT_TARGET,)
    inside = parts.Inside(
        paths(service.name, definition, source), own, {s: p for s, p in targets.items() if s != service.name and p}
    )
    argv = command(definition, recipe)
    published = [p for p in map(_port, definition.get("ports") or ()) if p]
    restart, _, most = str(definition.get("restart") or "").partition(":")
    env = {**recipe.env, **{k: str(v) for k, v in (definition.get("environment") or {}).items() if v is not None}}
    return {
        "argv": parts.arguments(argv, inside),
        "shell": tuple(argv[:2]) in (("/bin/sh", "-c"), ("sh", "-c"), ("/bin/bash", "-c"), ("bash", "-c")),
        "folder": folder(str(definition.get("working_dir") or ""), source),
        "env": {k: parts.value(v, inside, k) for k, v in sorted(env.items()) if k != "PATH"},
        "ports": published,
        "targets": list(own),
        "listens": sorted({p["target"] for p in published}),
        "health": health(definition, recipe, inside),
        "stop_signal": str(definition.get("stop_signal") or recipe.stop_signal or "SIGTERM"),
        "stop_grace": seconds(definition.get("stop_grace_period"), STOP_GRACE),
        "replicas": service.replicas,
        "restart": restart or ("always" if published else "on-failure"),
        "max_restarts": int(most) if most.isdigit() else 0,
        "depends_on": {
            k: v.get("condition", "service_started") for k, v in sorted((definition.get("depends_on") or {}).items())
        },
        "monitor": service.update.monitor,
        "volumes": sorted({p["volume"] for p in inside.paths.values() if "volume" in p}),
    }


def command(definition: Mapping[str, Any], recipe: dockerfile.Recipe) -> list[str]:
    """Return what to run: compose's ``entrypoint`` replaces the image's and its command, ``command`` the command."""
    entrypoint, given = _argv(definition.get("entrypoint")), _argv(definition.get("command"))
    if entrypoint is not None:
        return [*entrypoint, *(given or ())]
    return [*recipe.entrypoint, *(recipe.command if given is None else given)]


def container_ports(definition: Mapping[str, Any], recipe: dockerfile.Recipe) -> tuple[int, ...]:
    """Return the TCP ports on which a service listens in its container: published, then exposed, then ``PORT``."""
    ports = [p["target"] for p in map(_port, definition.get("ports") or ()) if p]
    for entry in definition.get("expose") or ():
        number, _, protocol = str(entry).partition("/")
        if number.isdigit() and protocol in ("", "tcp"):
            ports.append(int(number))
    ports += recipe.ports
    own = str((definition.get("environment") or {}).get("PORT") or recipe.env.get("PORT", ""))
    if own.isdigit() and 0 < int(own) < 65536:
        ports.append(int(own))
    return tuple(dict.fromkeys(ports))


def paths(name: str, definition: Mapping[str, Any], source: Source) -> dict[str, dict[str, str]]:
    """Return the container paths that texts may mention, each with the part that stands for it."""
    found: dict[str, dict[str, str]] = {path: {"snapshot": below} for path, below in source.paths.items()}
    found |= {path: {"project": file} for path, file in source.files.items()}
    for path in source.recipe.volumes:
        found[clean(path)] = {"volume": anonymous(name, path)}
    for mount in mounts(definition):
        target = clean(str(mount["target"]))
        if target == "/" or source.paths.get(target) == "":
            continue
        if mount.get("type") == "bind":
            found[target] = {"project": str(mount["source"])}
        else:
            found[target] = {"volume": str(mount.get("source") or anonymous(name, target))}
    return found


def anonymous(service: str, path: str) -> str:
    """Return the name of the volume that a service has at a path without naming it."""
    return f"{service}{clean(path).replace('/', '-')}"


def folder(working: str, source: Source) -> str:
    """Return the folder below the snapshot in which a service runs; empty for the snapshot itself.

    A container path that no part of the snapshot stands for is the snapshot itself.
    """
    path = clean(working) if working.startswith("/") else clean(f"{source.workdir}/{working}")
    known = covering(path, source.paths)
    if not known:
        return "" if working.startswith("/") else path.lstrip("/")
    return posixpath.join(source.paths[known], path[len(known) :].lstrip("/")).rstrip("/")


def mount_points(name: str, definition: Mapping[str, Any], source: Source) -> dict[str, dict[str, str]]:
    """Return the mounts that lie inside the snapshot: path below it, and the part that is found there."""
    found = {}
    for path, part in paths(name, definition, source).items():
        known = covering(path, source.paths)
        if "snapshot" not in part and known and known != path:
            found[posixpath.join(source.paths[known], path[len(known) :].lstrip("/"))] = part
    return dict(sorted(found.items()))


def health(definition: Mapping[str, Any], recipe: dockerfile.Recipe, inside: parts.Inside) -> dict[str, Any] | None:
    """Return the healthcheck, the compose file's over the Dockerfile's, with compose's defaults; None without one."""
    check = {**(recipe.health or {}), **(definition.get("healthcheck") or {})}
    test = check.get("test")
    if isinstance(test, str):
        test = ["CMD-SHELL", test]
    if check.get("disable") or not test or test[0] == "NONE":
        return None
    argv = ["/bin/sh", "-c", *test[1:]] if test[0] == "CMD-SHELL" else test[1:] if test[0] == "CMD" else test
    return {
        "test": [parts.argument(str(a), inside) for a in argv],
        "interval": seconds(check.get("interval"), 30.0) or 30.0,
        "timeout": seconds(check.get("timeout"), 30.0) or 30.0,
        "retries": int(check.get("retries") or 3),
        "start_period": seconds(check.get("start_period"), 0.0),
        "start_interval": seconds(check.get("start_interval"), 0.0),
    }


def _argv(value: object) -> list[str] | None:
    if value is None:
        return None
    if isinstance(value, str):
        import shlex

        return shlex.split(value)
    return [str(a) for a in value] if isinstance(value, list | tuple) else None


def _port(entry: object) -> dict[str, Any] | None:
    """Return a published TCP port; None for another protocol or a range of host ports to choose from."""
    if not isinstance(entry, Mapping) or entry.get("protocol", "tcp") != "tcp":
        return None
    published = str(entry.get("published") or "0")
    return {
        "ip": str(entry.get("host_ip") or "0.0.0.0"),
        "published": int(published.partition("-")[0]),
        "target": int(entry["target"]),
    }
