"""Derive, from the rendered compose file, the ones that Docker Compose is given on a host. Pure.

Compose compares networks and volumes with the file, and newer versions stop every service of a network that they
think differs. So what exists is declared external, and whether it differs is decided here. ``create`` is given only
the services that lack containers, so that it can neither recreate nor scale down any other.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import attrs
from stagecraft_hookspecs.errors import Refused

from stagecraft_compose import naming, services

KINDS = ("networks", "volumes")
#: Engine 25 speaks API 1.44; older ones refuse a service with ``healthcheck.start_interval``.
START_INTERVAL_API = (1, 44)


@attrs.frozen
class Existing:
    """Hold the labels of the networks and volumes that an engine has, by name."""

    networks: Mapping[str, Mapping[str, str]] = attrs.field(factory=dict)
    volumes: Mapping[str, Mapping[str, str]] = attrs.field(factory=dict)


def for_host(document: Mapping[str, Any], existing: Existing, api: tuple[int, ...]) -> dict[str, Any]:
    """Return the compose file for one-off commands on a host: what exists is external.

    Raises:
        Refused: A network or volume is defined differently from what exists; changing it would stop what uses it.
    """
    found = {key: value for key, value in document.items() if not key.startswith("x-")}
    for kind in KINDS:
        if kind in document:
            labels: Mapping[str, Mapping[str, str]] = getattr(existing, kind)
            found[kind] = {
                name: _resource(kind, name, dict(value or {}), document["name"], labels)
                for name, value in document[kind].items()
            }
    if api < START_INTERVAL_API:
        found["services"] = {name: _without_start_interval(d) for name, d in document["services"].items()}
    return found


def for_create(
    document: Mapping[str, Any],
    names: Collection[str],
    inherited: Mapping[str, Mapping[str, str]],
    neighbours: Mapping[str, str],
) -> dict[str, Any]:
    """Return the compose file that creates containers of some services.

    Args:
        document: What ``for_host`` returned.
        names: The services.
        inherited: Service to (container path to volume) of anonymous volumes that it takes over.
        neighbours: Service to the id of the container that those who share its namespaces are tied to.
    """
    found = dict(document)
    found["services"] = {
        name: _create(name, document["services"][name], inherited, neighbours) for name in sorted(names)
    }
    taken = {v for name in names for v in inherited.get(name, {}).values()}
    if taken:
        found["volumes"] = {**found.get("volumes", {}), **{v: {"external": True, "name": v} for v in sorted(taken)}}
    return found


def actual_name(project: str, key: str, value: Mapping[str, Any]) -> str:
    """Return the engine's name for a network or volume of the file."""
    return str(value.get("name") or f"{project}_{key}").replace("$$", "$")


def _resource(
    kind: str, key: str, value: dict[str, Any], project: str, labels: Mapping[str, Mapping[str, str]]
) -> dict[str, Any]:
    name = actual_name(project, key, value)
    if value.get("external") or name not in labels:
        return value
    before, now = labels[name].get(naming.DEFINITION), (value.get("labels") or {}).get(naming.DEFINITION)
    if before and before != now:
        one = kind.removesuffix("s")
        raise Refused(
            f"{one} {key!r} is defined differently now, and changing it would stop everything that uses {name}",
            hint=f"give it another name in the compose file (`name:`), or remove it first: docker {one} rm {name}",
        )
    return {"external": True, "name": name.replace("$", "$$")}


def _without_start_interval(definition: Mapping[str, Any]) -> dict[str, Any]:
    check = {k: v for k, v in (definition.get("healthcheck") or {}).items() if k != "start_interval"}
    return {**definition, "healthcheck": check} if check else dict(definition)


def _create(
    name: str, definition: Mapping[str, Any], inherited: Mapping[str, Mapping[str, str]], neighbours: Mapping[str, str]
) -> dict[str, Any]:
    found = {k: v for k, v in definition.items() if k not in ("depends_on", "links")}
    if inherited.get(name):
        mine = [{"type": "volume", "source": v, "target": path} for path, v in sorted(inherited[name].items())]
        found["volumes"] = [*definition.get("volumes", ()), *mine]
    for key in ("network_mode", "ipc", "pid"):
        other = str(definition.get(key) or "")
        if other.startswith("service:"):
            found[key] = f"container:{neighbours[other.removeprefix('service:')]}"
    if definition.get("volumes_from"):
        found["volumes_from"] = [_volumes_from(str(v), neighbours) for v in definition["volumes_from"]]
    return found


def _volumes_from(entry: str, neighbours: Mapping[str, str]) -> str:
    name, colon, mode = entry.partition(":")
    return entry if name == "container" else f"container:{neighbours[name]}{colon}{mode}"


def passes(names: Collection[str], definitions: Mapping[str, Mapping[str, Any]]) -> tuple[tuple[str, ...], ...]:
    """Return the services to create, in rounds: those tied to another's container come after it."""
    left, rounds = set(names), []
    while left:
        ready = {n for n in left if not services.shared_with(definitions[n]) & left} or left
        rounds.append(tuple(sorted(ready)))
        left -= ready
    return tuple(rounds)
