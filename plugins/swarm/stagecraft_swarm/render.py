"""Render a deployment: one stack file for all hosts, and the contents of its configs and secrets. Pure.

``stack.json`` in a draft is what will be given to ``docker stack deploy`` without what only ``prepare`` knows: values of
secrets, images' names on the engines, objects' names, which release a service's tasks come from. What this runtime itself
reads later (on which hosts a service runs, when it counts as up) stands in it under ``x-stagecraft``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from stagecraft_hookspecs.errors import StagecraftError
from stagecraft_hookspecs.runtime import Deployment, Draft, Execution, LogQuery, Policy, Renderer, Service, View
from stagecraft_hookspecs.values import Command, File, reference

from stagecraft_swarm import commands, lints, mounts, naming, policies, services, translate
from stagecraft_swarm.config import Config


class SwarmRenderer(Renderer):
    """Render a stack for Docker Swarm."""

    def __init__(self, config: Any = None) -> None:
        super().__init__(Config() if config is None else config)

    def render(self, deployment: Deployment) -> Draft:
        """Draft files, policies and findings; every host gets the same files, so that any manager can act."""
        decided = policies.policies(deployment)
        files = _files(deployment, decided, self.config)
        return Draft(
            files={host.name: dict(files) for host in deployment.hosts},
            policies=decided,
            findings=lints.findings(deployment),
        )

    def logs(self, view: View, query: LogQuery) -> Command:
        """Build the command that prints log lines, each as ``SERVICE | text``."""
        return commands.logs(view, query)

    def execute(self, view: View, request: Execution) -> Command:
        """Build the command for exec and one-off runs."""
        return commands.execute(view, request)


def _files(deployment: Deployment, decided: Mapping[str, Policy], config: Config) -> dict[str, File]:
    stack = naming.stack(deployment.project, deployment.environment, config.stack_name)
    document: dict[str, Any] = {"services": {}}
    files: dict[str, File] = {}
    for service in deployment.services:
        document["services"][service.name], own = _service(service, deployment, decided[service.name])
        files |= own
    for key in ("networks", "volumes"):
        found = _resources(deployment, key)
        if found:
            document[key] = found
    sources: dict[str, str] = {}
    for key in ("configs", "secrets"):
        found, own, copied = _contents(deployment, key)
        made: dict[str, Any] = {path.partition("/")[2]: {} for path in files if path.startswith(f"{key}/")}
        files |= own
        sources |= copied
        if found or made:
            document[key] = dict(sorted({**made, **found}.items()))
    document[naming.OWN] = {
        "stack": stack,
        "sources": sources,
        "services": {s.name: _own(s, deployment, config) for s in deployment.services},
    }
    text = json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    files[naming.STACK_FILE] = File(text.encode(), 0o600, secret="<secret:" in text)
    return dict(sorted(files.items()))


def _service(service: Service, deployment: Deployment, policy: Policy) -> tuple[dict[str, Any], dict[str, File]]:
    definition = service.definition
    found = translate.plain(definition)
    files: dict[str, File] = {}
    configs = [translate.use(c) for c in definition.get("configs") or ()]
    volumes = []
    for mount in mounts.mounts(definition, deployment):
        if mount.entry is not None:
            volumes.append(dict(mount.entry))
        for path, (target, data, mode) in mount.files.items():
            key = naming.key_of(path)
            files[f"configs/{key}"] = File(data, 0o444)
            configs.append({"source": key, "target": target, "mode": mode})
    secrets = [translate.use(s) for s in definition.get("secrets") or ()]
    parts = {"configs": configs, "secrets": secrets, "volumes": volumes}
    found |= {key: value for key, value in parts.items() if value}
    environment = translate.environment(definition.get("environment"))
    if environment:
        found["environment"] = environment
    image = service.image
    named = f"{image.name}@{image.digest}" if image and image.digest else image.name if image else ""
    found["image"] = image.name if image else str(definition.get("image") or "")
    own = {naming.PROJECT: deployment.project, naming.ENVIRONMENT: deployment.environment}
    own |= {naming.SERVICE: service.name, naming.IMAGE: named}
    found["labels"] = {**translate.labels(definition.get("labels")), **own}
    found["deploy"] = _deploy(service, deployment, policy)
    given = translate.labels(services.below(definition, "deploy").get("labels"))
    found["deploy"]["labels"] = {**given, **own}
    return found, files


def _deploy(service: Service, deployment: Deployment, policy: Policy) -> dict[str, Any]:
    """Return the swarm's side: how many and where, how they are replaced and restarted, what they may use."""
    given = services.below(service.definition, "deploy")
    found: dict[str, Any] = {"mode": "global"}
    if spread(service):
        found = {"mode": "replicated", "replicas": service.replicas * len(service.hosts)}
    update = {k: v for k, v in services.below(given, "update_config").items() if v is not None}
    update.setdefault("failure_action", "pause")
    update.setdefault("monitor", f"{services.monitor(service.definition):g}s")
    found["update_config"] = {**update, "order": str(policy.order)}
    back = {k: v for k, v in services.below(given, "rollback_config").items() if v is not None}
    if back:
        found["rollback_config"] = back
    waited_for = services.awaited({s.name: s.definition for s in deployment.services})
    restart = services.restart_policy(service.definition)
    if service.name in waited_for:
        restart = {"condition": "none"}
    if restart:
        found["restart_policy"] = restart
    limits = translate.resources(given.get("resources"))
    if limits:
        found["resources"] = limits
    if given.get("endpoint_mode"):
        found["endpoint_mode"] = given["endpoint_mode"]
    placement = services.below(given, "placement")
    found["placement"] = {
        "constraints": [str(c) for c in placement.get("constraints") or ()],
        **({"preferences": [dict(p) for p in placement["preferences"]]} if placement.get("preferences") else {}),
    }
    return found


def spread(service: Service) -> bool:
    """Tell whether the swarm may place a service's tasks as it sees fit among the hosts: several per host, or asked for.

    With one per host the service is global on its hosts: exactly one task on each.
    """
    return service.replicas != 1 or str(services.below(service.definition, "deploy").get("mode") or "") == "replicated"


def _own(service: Service, deployment: Deployment, config: Config) -> dict[str, Any]:
    count = service.replicas * len(service.hosts)
    waited_for = services.awaited({s.name: s.definition for s in deployment.services})
    ends = services.finishes(service.name, service.definition, waited_for)
    return {
        "hosts": list(service.hosts),
        "count": count,
        "per_host": 0 if spread(service) else 1,
        "needs": sorted(services.depends_on(service.definition)),
        "finishes": ends,
        "checked": bool(services.healthcheck(service.definition)),
        "monitor": services.monitor(service.definition),
        "timeout": 3600.0 if service.name in waited_for else _deadline(service, count, config),
        "tolerated": int(service.update.max_failure_ratio * count),
    }


def _deadline(service: Service, count: int, config: Config) -> float:
    return services.deadline(service.definition, count, config.deploy_timeout)


def _resources(deployment: Deployment, key: str) -> dict[str, Any]:
    """Return networks or volumes; a name that only repeats the compose file's own project is left to the stack.

    Networks are overlays, and attachable, so that one-off containers can join them.
    """
    default = str(((deployment.definition.get("networks") or {}).get("default") or {}).get("name") or "")
    prefixes = {deployment.project, default.removesuffix("_default")} - {""}
    found: dict[str, Any] = {}
    declared = dict(deployment.definition.get(key) or {})
    if key == "networks" and not declared:
        declared = {"default": {}}
    for name, raw in sorted(declared.items()):
        value = {k: v for k, v in (raw or {}).items() if v not in (None, {}) and not k.startswith("x-")}
        if value.get("external"):
            found[name] = {"external": True, "name": str(value.get("name") or name)}
            continue
        if value.get("name") in {f"{prefix}_{name}" for prefix in prefixes}:
            del value["name"]
        if key == "networks":
            value = {k: v for k, v in value.items() if k not in ("driver", "attachable", "enable_ipv6", "enable_ipv4")}
            value |= {"driver": "overlay", "attachable": True}
        found[name] = value
    return found


def _contents(deployment: Deployment, key: str) -> tuple[dict[str, Any], dict[str, File], dict[str, str]]:
    """Return configs or secrets, their contents as files, and the project's files that no draft may hold."""
    found: dict[str, Any] = {}
    files: dict[str, File] = {}
    copied: dict[str, str] = {}
    for name, raw in sorted((deployment.definition.get(key) or {}).items()):
        value, path = raw or {}, f"{key}/{name}"
        source = mounts.relative(deployment, str(value.get("file") or "")) if value.get("file") else None
        if value.get("external"):
            found[name] = {"external": True, "name": str(value.get("name") or name)}
            continue
        found[name] = {}
        if "content" in value:
            data = str(value["content"]).encode()
        elif value.get("environment"):
            data = reference(str(value["environment"])).encode()
        elif source is not None and key == "configs" and deployment.folder is not None:
            try:
                data = deployment.folder.read(source)
            except StagecraftError as error:
                raise lints.unreadable(key, name, source, error) from error
        else:
            copied[path] = str(value.get("file") or "") if source is None else source
            continue
        files[path] = File(data, 0o444, secret=key == "secrets" or b"<secret:" in data)
    return found, files, copied
