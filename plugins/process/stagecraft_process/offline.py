"""Read what runs from the state file, where no supervisor answers. Changes nothing."""

from __future__ import annotations

from typing import Any

from stagecraft_hookspecs.errors import StateCorrupt

from stagecraft_process import layout


def describe(home: str) -> list[dict[str, Any]]:
    """Return the groups as a supervisor would describe them; an instance whose process is gone is ``exited``.

    Raises:
        StateCorrupt: The file is damaged.
    """
    from stagecraft_process.supervisor import processes, store

    try:
        state = store.load(home)
    except (ValueError, KeyError, TypeError) as error:
        raise StateCorrupt(
            f"{layout.state_file(home)} is damaged: {error}",
            hint="move it away once you have ended what it described, then deploy again",
        ) from error
    groups = []
    for key, group in sorted(state.groups.items()):
        instances = []
        for instance in group.instances:
            data = instance.to_dict()
            if not processes.alive(instance.pid, instance.started):
                data |= {"pid": 0, "state": "exited", "health": "none"}
            instances.append({**data, "connections": 0})
        links = {e["target"]: state.links.get(f"{group.service}:{e['target']}", 0) for e in group.unit["ports"]}
        groups.append(
            {
                "key": key,
                "service": group.service,
                "release": group.release,
                "digest": group.digest,
                "run": group.run,
                "draining": group.draining,
                "active": state.active.get(group.service) == key,
                "ports": [(e["ip"], e["published"] or links[e["target"]], e["target"]) for e in group.unit["ports"]],
                "instances": instances,
            }
        )
    return groups
