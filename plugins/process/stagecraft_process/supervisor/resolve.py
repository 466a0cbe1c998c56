"""Fill the places in a unit that only the running instance knows: its own ports and the addresses of other services."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from stagecraft_process.supervisor.processes import MARK


def text(value: str | list[Any], ports: Mapping[int, int], link: Callable[[str, int], int]) -> str:
    """Return a text of parts as one string; see ``stagecraft_process.parts`` for what the parts are."""
    if isinstance(value, str):
        return value
    return "".join(part if isinstance(part, str) else _part(part, ports, link) for part in value)


def _part(part: dict[str, Any], ports: Mapping[int, int], link: Callable[[str, int], int]) -> str:
    if "service" in part:
        return f"127.0.0.1:{link(part['service'], part['port'])}"
    return str(ports.get(part["port"], part["port"]))


def environment(
    unit: dict[str, Any],
    base: Mapping[str, str],
    ports: Mapping[int, int],
    link: Callable[[str, int], int],
    mark: str,
) -> dict[str, str]:
    """Return the whole environment of an instance.

    ``PORT`` is the first of its own ports, ``PORT_<container port>`` each of them; they win over what the service says,
    because on this machine the container's port may belong to somebody else.
    """
    env = {**base, **{k: text(v, ports, link) for k, v in unit["env"].items()}}
    for target, port in ports.items():
        env[f"PORT_{target}"] = str(port)
    env["PORT"] = str(next(iter(ports.values())))
    env[MARK] = mark
    return env


def argv(unit: dict[str, Any], ports: Mapping[int, int], link: Callable[[str, int], int]) -> list[str]:
    """Return the command of an instance."""
    return [text(a, ports, link) for a in unit["argv"]]
