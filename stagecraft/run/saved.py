"""Keep a release's plan in its store, so that an interrupted run goes on with exactly that plan."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from stagecraft_hookspecs.errors import StateCorrupt
from stagecraft_hookspecs.values import Operation, Phase

from stagecraft.plan.model import Plan

if TYPE_CHECKING:
    from stagecraft_hookspecs.state import Store

NAME = "plan.json"


def save_plan(store: Store, plan: Plan) -> None:
    """Put the plan into a release's store."""
    store.put(NAME, plan.to_json().encode())


def load_plan(store: Store, release_id: str) -> Plan:
    """Return the plan of a release; raises StateCorrupt when there is none."""
    data = store.get(NAME)
    if data is None:
        raise StateCorrupt(f"release {release_id} has no plan", hint="it was interrupted before it began; deploy again")
    document = json.loads(data)
    tuples = ("services", "hosts", "depends_on")
    operations = tuple(
        Operation(**{**o, "phase": Phase(o["phase"]), **{key: tuple(o[key]) for key in tuples}})
        for o in document["operations"]
    )
    return Plan(
        document["project"],
        document["environment"],
        document["version"],
        document["runtime"],
        tuple(document["hosts"]),
        (),
        operations,
        selected=tuple(document["selected"]),
    )
