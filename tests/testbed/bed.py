"""Bring parts of the testbed up and take them down: the two verbs everything else here serves."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

from . import databases, engine, faults, handles, hosts, images, node, registry, state, tools
from .layout import Layout, TestbedError, checked, default_layout

Up = Callable[[Layout, dict[str, state.Part]], state.Part]


def bring_up(parts: Iterable[str] = (), layout: Layout | None = None) -> dict[str, str]:
    """Bring up each of `parts` that is not up yet; return the environment variables to set, PATH included.

    A part is one of `PARTS`, or an image tag such as `busybox:latest`, which implies `docker`. Default: all of
    `PARTS`; images are made when asked for.
    """
    layout = checked(layout) if layout else default_layout()
    wanted = list(parts) or list(PARTS)
    known, tags = [part for part in wanted if part in PARTS], [part for part in wanted if part not in PARTS]
    for tag in tags:
        if tag not in images.TAGS:
            choices = ", ".join((*PARTS, *images.TAGS))
            raise TestbedError(f"the testbed has no part called {tag}", f"choose from: {choices}")
    if os.geteuid() != 0:
        raise TestbedError("the testbed needs root", "run it as root, or run the tests without STAGECRAFT_TESTBED=1")
    if tags and "docker" not in known:
        known.append("docker")
    with state.locked(layout):
        recorded = state.load(layout)
        for part in known:
            PARTS[part](layout, recorded)
        images.ensure(*tags, layout=layout, environment=environment(layout))
    return environment(layout)


def take_down(layout: Layout | None = None) -> None:
    """End all that `bring_up` started and remove what it made outside the cache folder; caches stay."""
    layout = layout or default_layout()
    if not layout.root.exists():
        return
    with state.locked(layout):
        parts = state.load(layout)
        registry.down(layout)
        hosts.down(layout, parts)
        for name, part in parts.items():
            if name == "docker":
                engine.down(layout, part)
        for name in databases.SERVERS:
            databases.down(layout, name)
        layout.state.unlink(missing_ok=True)


def environment(layout: Layout | None = None) -> dict[str, str]:
    """Return the variables of all parts that are up: none if nothing is."""
    layout = layout or default_layout()
    recorded = {name: part for name, part in state.load(layout).items() if state.running(part)}
    merged: dict[str, str] = {}
    for _, part in sorted(recorded.items()):
        merged.update(part.environment)
    if recorded:
        merged["PATH"] = os.pathsep.join([str(layout.bin), os.environ.get("PATH", tools.SYSTEM_PATH)])
    return merged


def status(layout: Layout | None = None) -> dict[str, str]:
    """Return a line for each recorded part: its process, or that it ended."""
    layout = layout or default_layout()
    lines = {}
    for name, part in sorted(state.load(layout).items()):
        process = f"process {part.process.pid}" if part.process else "commands on PATH"
        lines[name] = f"up, {process}" if state.running(part) else f"ended, {process} is gone"
    return lines


def _strace(layout: Layout, parts: dict[str, state.Part]) -> state.Part:
    tools.provide(layout, ("strace",), layout.bin)
    parts["strace"] = state.Part(None, {})
    state.save(layout, parts)
    return parts["strace"]


def _hosts(layout: Layout, parts: dict[str, state.Part]) -> state.Part:
    part = hosts.up(layout, parts)
    for host in handles.open_all(layout)[: hosts.USUAL]:
        if not faults.well(host):  # left so by a test that was killed
            faults.heal(host)
    return part


PARTS: dict[str, Up] = {
    "docker": engine.up,
    "registry": registry.up,
    "hosts": _hosts,
    "postgres": databases.up_postgres,
    "mariadb": databases.up_mariadb,
    "node": node.up,
    "strace": _strace,
}
