"""Fingerprint services: two releases with the same fingerprint for a service share its containers.

A fingerprint covers the rendered definition, the image's identity, every filled variable, and the content of the
files that travel with the release. It does not cover how many instances there are, the order they are replaced in,
or what depends on what: changing those restarts nothing. It is a SHA-256, cut to 32 digits; secrets go into it and
cannot be read back out of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stagecraft_compose import naming, services

if TYPE_CHECKING:
    from stagecraft_hookspecs.values import File

_LEFT_OUT = ("depends_on", "pull_policy", "labels", "env_file", "image", "deploy")


def fingerprints(
    document: Mapping[str, Any], files: Mapping[str, File], images: Mapping[str, str], places: Mapping[str, str]
) -> dict[str, str]:
    """Return a fingerprint per service of a rendered compose file.

    Args:
        document: The rendered compose file.
        files: Path to file of all other files of the bundle, secrets filled.
        images: Service name to image id on this host.
        places: Folders on the host that bind mounts refer to, by variable.
    """
    found: dict[str, str] = {}
    for name in services.in_order(document["services"]):
        definition = document["services"][name]
        parts = {
            "definition": {k: v for k, v in definition.items() if k not in _LEFT_OUT},
            "labels": _own_labels(definition),
            "deploy": _deploy(definition),
            "image": images.get(name, ""),
            "places": {
                kind: place for kind, place in places.items() if naming.placeholder(kind) in json.dumps(definition)
            },
            "files": _files(name, definition, document, files),
            "resources": {k: _used(definition, document, k) for k in ("networks", "volumes")},
            "neighbours": [found.get(other, "") for other in sorted(_tied_to(definition))],
        }
        data = json.dumps(parts, sort_keys=True, ensure_ascii=False).encode()
        found[name] = hashlib.sha256(data).hexdigest()[:32]
    return found


def _tied_to(definition: Mapping[str, Any]) -> set[str]:
    """Return the services whose replacement means this one's: namespaces are shared, or ``depends_on`` says ``restart``."""
    restarted = {name for name, how in services.depends_on(definition).items() if how.get("restart")}
    return services.shared_with(definition) | restarted


def _own_labels(definition: Mapping[str, Any]) -> dict[str, Any]:
    """Return the labels without those whose value differs from release to release; the image's name follows from its
    id.
    """
    varying = (naming.RELEASE, naming.FINGERPRINT, naming.IMAGE)
    return {k: v for k, v in definition["labels"].items() if k not in varying}


def _deploy(definition: Mapping[str, Any]) -> dict[str, Any]:
    left_out = ("replicas", "update_config", "rollback_config")
    return {k: v for k, v in (definition.get("deploy") or {}).items() if k not in left_out}


def _files(
    name: str, definition: Mapping[str, Any], document: Mapping[str, Any], files: Mapping[str, File]
) -> dict[str, str]:
    """Return the hashes of the files that the service's containers see."""
    paths = {f"env/{name}.env"}
    for mount in definition.get("volumes") or ():
        source = str(mount.get("source") or "").removeprefix("./").replace("$$", "$")
        paths |= {path for path in files if path == source or path.startswith(f"{source}/")} if source else set()
    for key in ("configs", "secrets"):
        for grant in definition.get(key) or ():
            source = grant if isinstance(grant, str) else grant.get("source", "")
            file = (document.get(key) or {}).get(source, {}).get("file", "")
            paths.add(str(file).removeprefix("./"))
    return {path: _hash(files[path]) for path in sorted(paths) if path in files}


def _hash(file: File) -> str:
    """Return a hash of a file's content and of whether it can be executed."""
    return hashlib.sha256(file.data).hexdigest() + (":x" if file.mode & 0o100 else "")


def _used(definition: Mapping[str, Any], document: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Return the top-level networks or volumes that the service uses; a renamed one is another one."""
    if key == "networks":
        named = set(definition.get("networks") or ())
    else:
        named = {str(m.get("source") or "") for m in definition.get("volumes") or () if m.get("type") == "volume"}
    return {name: value for name, value in (document.get(key) or {}).items() if name in named}
