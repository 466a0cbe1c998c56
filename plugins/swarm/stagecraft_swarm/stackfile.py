"""Make a release's stack file complete, from its draft and what is known on the hosts. Pure but for the values of secrets."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Mapping
from typing import Any

from stagecraft_hookspecs.errors import ProviderError

from stagecraft_swarm import naming, translate

#: Keys of ``deploy`` that change without replacing a task.
_UNTOUCHED = ("labels", "replicas", "rollback_config", "update_config")
#: Engine 25 speaks API 1.44; older ones know no ``healthcheck.start_interval``, and their CLI no file without a version.
NEWER = (1, 44)


def complete(
    draft: Mapping[str, Any],
    *,
    images: Mapping[str, str],
    objects: Mapping[str, str],
    reveal: Callable[[str], str],
    serving: Mapping[str, tuple[str, str]],
    release_id: str,
    api: tuple[int, ...],
) -> dict[str, Any]:
    """Return the stack of a release, as it is stored and deployed (but for ``$``, which is doubled on the way).

    Args:
        draft: ``stack.json`` as rendered.
        images: Service to what to run.
        objects: Path (``configs/KEY``) to the object's name in the swarm.
        reveal: Fills references to secrets.
        serving: Service to (fingerprint, release) of what the swarm runs now.
        api: The engine's API version.
    """
    own = draft[naming.OWN]
    found: dict[str, Any] = {key: draft[key] for key in ("networks", "volumes") if key in draft}
    for key in ("configs", "secrets"):
        if key in draft:
            found[key] = {n: v or _external(objects, f"{key}/{n}") for n, v in draft[key].items()}
    if api < NEWER:
        found["version"] = "3.8"
    found["services"] = {}
    for name, definition in draft["services"].items():
        service = _service(name, definition, own, images, reveal, api)
        mark = fingerprint(service, found)
        before, since = serving.get(name, ("", ""))
        release = since if before == mark and since else release_id
        for labels in (service["labels"], service["deploy"]["labels"]):
            labels |= {naming.FINGERPRINT: mark, naming.RELEASE: release}
        found["services"][name] = service
    found[naming.OWN] = own
    return found


def _external(objects: Mapping[str, str], path: str) -> dict[str, Any]:
    return {"external": True, "name": objects[path]}


def _service(
    name: str,
    definition: Mapping[str, Any],
    own: Mapping[str, Any],
    images: Mapping[str, str],
    reveal: Callable[[str], str],
    api: tuple[int, ...],
) -> dict[str, Any]:
    service = json.loads(json.dumps(definition))
    service["image"] = images[name]
    if "environment" in service:
        service["environment"] = {k: reveal(v) if "<secret:" in v else v for k, v in service["environment"].items()}
    label = naming.node_label(own["stack"], name)
    service["deploy"]["placement"]["constraints"].append(f"node.labels.{label}==true")
    if api < NEWER:
        service.get("healthcheck", {}).pop("start_interval", None)
    return dict(service)


def fingerprint(service: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    """Return a hash of all that makes a task what it is: its definition, its image, the contents it sees."""
    kept = {k: v for k, v in service.items() if k not in ("deploy", "labels")}
    kept["deploy"] = {k: v for k, v in service["deploy"].items() if k not in _UNTOUCHED}
    labels = {k: v for k, v in service["labels"].items() if k not in (naming.RELEASE, naming.FINGERPRINT, naming.IMAGE)}
    kept["labels"] = labels
    kept["objects"] = sorted(
        document[kind][use["source"]]["name"] for kind in ("configs", "secrets") for use in service.get(kind, ())
    )
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()[:20]


def deployable(document: Mapping[str, Any], only: Collection[str] | None = None) -> bytes:
    """Return what ``docker stack deploy`` is given: the whole stack, or some of its services."""
    kept = {k: v for k, v in document.items() if not k.startswith("x-")}
    if only is not None:
        kept["services"] = {n: s for n, s in document["services"].items() if n in only}
    return json.dumps(translate.escape(kept), sort_keys=True, ensure_ascii=False).encode()


def loaded(data: bytes, where: str) -> dict[str, Any]:
    """Return a stored stack; raises ProviderError for one that is damaged."""
    try:
        document = json.loads(data)
        assert isinstance(document["services"], dict) and isinstance(document[naming.OWN]["services"], dict)
    except (ValueError, KeyError, TypeError, AssertionError) as error:
        raise ProviderError(f"{where} is damaged", hint="deploy again", detail=str(error)) from error
    return dict(document)


def used(document: Mapping[str, Any]) -> set[str]:
    """Return the names of the configs and secrets that a stored stack uses."""
    return {
        str(v["name"]) for key in ("configs", "secrets") for v in (document.get(key) or {}).values() if v.get("name")
    }


def waves(document: Mapping[str, Any], changed: Collection[str]) -> list[set[str]]:
    """Return the changed services in rounds: each comes after the changed ones that it depends on."""
    needs = {name: set(document[naming.OWN]["services"][name]["needs"]) for name in document["services"]}
    left, rounds = set(changed), []
    while left:
        ready = {name for name in left if not needs[name] & (left - {name})} or set(left)
        rounds.append(ready)
        left -= ready
    return rounds
