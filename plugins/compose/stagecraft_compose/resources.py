"""Look at the networks and volumes that an engine has."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from stagecraft_compose.derive import KINDS, Existing, actual_name
from stagecraft_compose.engine import Engine


def existing(engine: Engine, document: Mapping[str, Any]) -> Existing:
    """Return those of the rendered file's networks and volumes that exist, with their labels."""
    wanted = {
        kind: {actual_name(engine.project, key, value or {}) for key, value in (document.get(kind) or {}).items()}
        for kind in KINDS
    }
    found: dict[str, dict[str, Mapping[str, str]]] = {kind: {} for kind in KINDS}
    if wanted["networks"]:
        for network in engine.call("list networks", lambda: engine.api.networks()):
            if network["Name"] in wanted["networks"]:
                found["networks"][network["Name"]] = network.get("Labels") or {}
    if wanted["volumes"]:
        filters = {"name": sorted(wanted["volumes"])}  # matches parts of names too
        listed = engine.call("list volumes", lambda: engine.api.volumes(filters=filters))
        for volume in listed.get("Volumes") or ():
            if volume["Name"] in wanted["volumes"]:
                found["volumes"][volume["Name"]] = volume.get("Labels") or {}
    return Existing(found["networks"], found["volumes"])


def remove_own_networks(engine: Engine) -> None:
    """Remove the project's networks once nothing of it is left; volumes hold data and stay."""
    label = {"label": [f"com.docker.compose.project={engine.project}"]}
    for network in engine.call("list networks", lambda: engine.api.networks(filters=label)):
        engine.unless_gone("remove a network", functools.partial(engine.api.remove_network, network["Id"]))
