"""Write the script that runs a one-off container with a service's image, variables, contents and networks. Pure.

The script is a 0600 file in the release's folder. Values of variables come into the environment of the ``docker`` command
by it, so that no secret is ever an argument.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from stagecraft_swarm import naming


def oneoff(service: str, document: Mapping[str, Any], folder: str, stack: str) -> str:
    """Return the script. Its arguments: ``-i`` or ``-it``, then the command."""
    definition = document["services"][service]
    variables = definition.get("environment") or {}
    words = ["docker", "run", "--rm"]
    for name in sorted(variables):
        words += ["--env", name]
    labels = {naming.PROJECT: definition["labels"][naming.PROJECT], f"{naming.PREFIX}oneoff": service}
    for name, value in sorted(labels.items()):
        words += ["--label", f"{name}={value}"]
    words += (
        _networks(definition, document, stack) + _mounts(definition, folder, stack, document) + _options(definition)
    )
    exports = [f"{name}={shlex.quote(value)}; export {name}" for name, value in sorted(variables.items())]
    return "\n".join(
        (
            "set -u",
            "terminal=$1; shift",
            f"name={shlex.quote(f'{stack}-{service}-oneoff')}-$$",
            *(e for n, e in zip(sorted(variables), exports, strict=True) if n.isidentifier()),
            'if [ "$terminal" = -it ]; then',
            f'  exec {shlex.join(words)} -it --name "$name" {shlex.quote(definition["image"])} "$@"',
            "fi",
            "trap 'docker rm -f \"$name\" >/dev/null 2>&1; exit 143' INT TERM HUP",
            "exec 3<&0",
            f'{shlex.join(words)} -i --name "$name" {shlex.quote(definition["image"])} "$@" <&3 &',
            "wait $!",
            "",
        )
    )


def _networks(definition: Mapping[str, Any], document: Mapping[str, Any], stack: str) -> list[str]:
    declared = document.get("networks") or {}
    words = []
    for key in sorted(definition.get("networks") or {"default": {}}):
        value = declared.get(key) or {}
        words += ["--network", str(value.get("name") or f"{stack}_{key}")]
    return words


def _mounts(definition: Mapping[str, Any], folder: str, stack: str, document: Mapping[str, Any]) -> list[str]:
    words = []
    for kind in ("configs", "secrets"):
        for use in definition.get(kind) or ():
            default = f"/run/secrets/{use['source']}" if kind == "secrets" else f"/{use['source']}"
            target = str(use.get("target") or default)
            target = (
                target if target.startswith("/") else f"/run/secrets/{target}" if kind == "secrets" else f"/{target}"
            )
            words += ["--mount", f"type=bind,source={folder}/{kind}/{use['source']},target={target},readonly"]
    for mount in definition.get("volumes") or ():
        source = str(mount.get("source") or "")
        if mount["type"] == "volume" and source:
            value = (document.get("volumes") or {}).get(source) or {}
            source = str(value.get("name") or f"{stack}_{source}")
        parts = [f"type={mount['type']}", *([f"source={source}"] if source else []), f"target={mount['target']}"]
        words += ["--mount", ",".join([*parts, *(["readonly"] if mount.get("read_only") else [])])]
    return words


def _options(definition: Mapping[str, Any]) -> list[str]:
    words = []
    for key, flag in (("user", "--user"), ("working_dir", "--workdir"), ("hostname", "--hostname")):
        if definition.get(key):
            words += [flag, str(definition[key])]
    if definition.get("init"):
        words.append("--init")
    if definition.get("read_only"):
        words.append("--read-only")
    for key, flag in (("cap_add", "--cap-add"), ("cap_drop", "--cap-drop"), ("extra_hosts", "--add-host")):
        for value in definition.get(key) or ():
            words += [flag, str(value)]
    limit = ((definition["deploy"].get("resources") or {}).get("limits") or {}).get("memory")
    words += ["--memory", str(limit)] if limit else []
    return words
