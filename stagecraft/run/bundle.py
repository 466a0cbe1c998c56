"""The immutable bundle of a release: all that putting it back needs, and no secret's value."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs
from stagecraft_hookspecs.errors import StateCorrupt
from stagecraft_hookspecs.proxy import Limits, Route
from stagecraft_hookspecs.runtime import Deployment, Order, Policy, Service, Update
from stagecraft_hookspecs.values import Build, File, Host, Image

if TYPE_CHECKING:
    from stagecraft_hookspecs.state import Store

SCHEMA = 1
NAME = "bundle.json"


@attrs.frozen
class Bundle:
    """Hold what a release is made of.

    Attributes:
        runtime, runtime_config: Name of the runtime and its block of the configuration, as JSON-like data.
        proxy, proxy_config: The same of the proxy; empty without one.
        files: Host to path to rendered file; secrets in them are references.
        migrations: Database to the names of its migrations, with ``irreversible`` marked.
        plugins: Plugin to distribution and version.
        fingerprints: Secret to a keyed hash of its value, to tell a change and nothing else.
        config: The resolved configuration, masked.
    """

    deployment: Deployment
    runtime: str
    runtime_config: Mapping[str, Any]
    files: Mapping[str, Mapping[str, File]]
    policies: Mapping[str, Policy]
    migrations: Mapping[str, tuple[Mapping[str, Any], ...]] = attrs.field(factory=dict)
    plugins: Mapping[str, str] = attrs.field(factory=dict)
    fingerprints: Mapping[str, str] = attrs.field(factory=dict)
    config: Mapping[str, Any] = attrs.field(factory=dict)
    keep: int = 5
    proxy: str = ""
    proxy_config: Mapping[str, Any] = attrs.field(factory=dict)

    def save(self, store: Store) -> None:
        """Put the bundle into a release's store, its rendered files beside it for people to read."""
        store.put(NAME, (json.dumps(self._document(), indent=1, sort_keys=True, default=_plain) + "\n").encode())

    def _document(self) -> dict[str, Any]:
        document = attrs.asdict(self, recurse=False)
        deployment = self.deployment
        document["deployment"] = {
            **{f: getattr(deployment, f) for f in ("project", "environment", "definition")},
            "services": [attrs.asdict(s) for s in deployment.services],
            "hosts": [attrs.asdict(h) for h in deployment.hosts],
        }
        document["files"] = {
            host: {
                path: {"data": f.data.decode("utf-8", "surrogateescape"), "mode": f.mode, "secret": f.secret}
                for path, f in files.items()
            }
            for host, files in self.files.items()
        }
        document["policies"] = {name: attrs.asdict(policy) for name, policy in self.policies.items()}
        return {"schema": SCHEMA, **document}


def load(store: Store, release_id: str) -> Bundle:
    """Read a release's bundle; raises StateCorrupt when it is missing or of another version."""
    data = store.get(NAME)
    if data is None:
        raise StateCorrupt(
            f"release {release_id} has no bundle", hint="it was interrupted before it had one; choose another release"
        )
    document = json.loads(data)
    if document.pop("schema", None) != SCHEMA:
        raise StateCorrupt(
            f"the bundle of {release_id} was written by another version of Stagecraft",
            hint="use the version that wrote it, or choose another release",
        )
    raw = document["deployment"]
    document["deployment"] = Deployment(
        raw["project"],
        raw["environment"],
        tuple(_service(s) for s in raw["services"]),
        tuple(Host(**{**h, "roles": tuple(h["roles"])}) for h in raw["hosts"]),
        raw["definition"],
    )
    document["files"] = {
        host: {p: File(f["data"].encode("utf-8", "surrogateescape"), f["mode"], f["secret"]) for p, f in files.items()}
        for host, files in document["files"].items()
    }
    document["policies"] = {
        name: Policy(Order(p["order"]), p["reason"], _update(p["update"])) for name, p in document["policies"].items()
    }
    document["migrations"] = {name: tuple(found) for name, found in document["migrations"].items()}
    return Bundle(**document)


def _service(raw: Mapping[str, Any]) -> Service:
    build = raw["build"]
    return Service(
        raw["name"],
        raw["definition"],
        tuple(raw["hosts"]),
        raw["replicas"],
        Image(**raw["image"]) if raw["image"] else None,
        Build(**{**build, "platforms": tuple(build["platforms"]), "cache_from": tuple(build["cache_from"])})
        if build
        else None,
        _update(raw["update"]),
        tuple(_route(r) for r in raw.get("routes") or ()),
    )


def _route(raw: Mapping[str, Any]) -> Route:
    return Route(**{**raw, "hosts": tuple(raw["hosts"]), "limits": Limits(**raw["limits"]), "targets": ()})


def _update(raw: Mapping[str, Any]) -> Update:
    return Update(**{**raw, "order": Order(raw["order"]) if raw["order"] else None})


def _plain(value: Any) -> Any:
    if attrs.has(type(value)):
        return attrs.asdict(value)
    if isinstance(value, tuple | frozenset | set):
        return sorted(value)
    return str(value)
