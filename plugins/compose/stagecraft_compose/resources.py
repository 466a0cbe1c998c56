"""Look at the networks and volumes that an engine has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stagecraft_compose.derive import KINDS, Existing, actual_name
from stagecraft_compose.engine import Engine, call, gone_is_none


def existing(engine: Engine, document: Mapping[str, Any]) -> Existing:
    """Return those of the rendered file's networks and volumes that exist, with their labels."""
    wanted = {
        kind: {actual_name(engine.project, key, value or {}) for key, value in (document.get(kind) or {}).items()}
        for kind in KINDS
    }
    networks: dict[str, Mapping[str, str]] = {}
    if wanted["networks"]:
        for network in call("list networks", lambda: engine.api.networks()):
            if network["Name"] in wanted["networks"]:
                networks[network["Name"]] = network.get("Labels") or {}
    volumes: dict[str, Mapping[str, str]] = {}
    for name in sorted(wanted["volumes"]):
        found = gone_is_none("inspect a volume", lambda name=name: engine.api.inspect_volume(name))  # type: ignore[misc]
        if found:
            volumes[name] = found.get("Labels") or {}
    return Existing(networks, volumes)


def remove_own_networks(engine: Engine) -> None:
    """Remove the project's networks once nothing of it is left; volumes hold data and stay."""
    label = {"label": [f"com.docker.compose.project={engine.project}"]}
    for network in call("list networks", lambda: engine.api.networks(filters=label)):
        gone_is_none("remove a network", lambda network=network: engine.api.remove_network(network["Id"]))  # type: ignore[misc]
