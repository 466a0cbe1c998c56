"""Render a deployment: one compose file per host, environment files for secrets, configs and secrets as files. Pure.

``compose.json`` is what ``docker compose`` reads (JSON is YAML). It holds no release id and nothing that varies from
run to run; what only the host knows (the project's folder, the release, fingerprints) is interpolated from the
``.env`` that ``prepare`` writes beside it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from stagecraft_hookspecs.runtime import Deployment, Draft, Execution, LogQuery, Renderer, Service, View
from stagecraft_hookspecs.values import Command, File, Host, reference

from stagecraft_compose import commands, data, dotenv, lints, naming, policies, services, shipped, sources
from stagecraft_compose.config import Config
from stagecraft_compose.naming import escape
from stagecraft_compose.shipped import Bind, Way

#: Keys of a service that do not reach the rendered file: done by the kernel, by this runtime, or settled already.
_DROPPED = (
    "build",
    "profiles",
    "extends",
    "scale",
    "container_name",
    "env_file",
    "develop",
    "image",
    "pull_policy",
    "name",
)


class ComposeRenderer(Renderer):
    """Render for Docker Compose, version 2.20 or later."""

    def __init__(self, config: Any = None) -> None:
        super().__init__(Config() if config is None else config)

    def render(self, deployment: Deployment) -> Draft:
        """Draft files, policies and findings."""
        return Draft(
            files={h.name: render_host(deployment, h, self.config.project_name) for h in deployment.hosts},
            policies=policies.policies(deployment),
            findings=lints.findings(deployment),
        )

    def logs(self, view: View, query: LogQuery) -> Command:
        """Build the command that prints log lines, each as ``SERVICE | text``."""
        return commands.logs(view, query, self._project(view))

    def execute(self, view: View, request: Execution) -> Command:
        """Build the command for exec and one-off runs."""
        return commands.execute(view, request, self._project(view))

    def _project(self, view: View) -> str:
        return naming.compose_project(view.project, view.environment, self.config.project_name)


def render_host(deployment: Deployment, host: Host, override: str = "") -> dict[str, File]:
    """Return the files of one host by path, sorted."""
    project = naming.compose_project(deployment.project, deployment.environment, override)
    here = deployment.on(host.name)
    files: dict[str, File] = {}
    document: dict[str, Any] = {"name": project, "services": {}}
    for service in here:
        binds = tuple(shipped.binds(service.definition, deployment, host))
        rendered, own = _service(service, deployment, project, {s.name for s in here}, binds)
        document["services"][service.name] = rendered
        files |= own
        for key, paths in _kept(binds).items():
            document[key] = sorted({*document.get(key, ()), *paths})
    for key in ("networks", "volumes"):
        used = _resources(deployment, key)
        if used:
            document[key] = used
    for key in ("configs", "secrets"):
        used, own, copied = _contents(deployment, key)
        files |= own
        if copied:
            document.setdefault(sources.KEY, {}).update(copied)
        if used:
            document[key] = used
    text = json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    files[naming.COMPOSE_FILE] = File(text.encode())
    return dict(sorted(files.items()))


def _kept(binds: Iterable[Bind]) -> dict[str, set[str]]:
    """Return what the host must have beside the release's files: paths that it keeps, folders that containers see."""
    kept = {str(escape(bind.path)) for bind in binds if bind.way is Way.DATA}
    seen = {f"files/{escape(bind.path)}" for bind in binds if bind.way is Way.FOLDER}
    return {key: paths for key, paths in ((data.KEY, kept), (data.FOLDERS, seen)) if paths}


def _service(
    service: Service, deployment: Deployment, project: str, here: set[str], binds: tuple[Bind, ...]
) -> tuple[dict[str, Any], dict[str, File]]:
    definition = service.definition
    kept = {k: v for k, v in definition.items() if k not in _DROPPED and not k.startswith("x-") and v is not None}
    volumes = [shipped.mount(bind) for bind in binds]
    files = {f"files/{path}": file for bind in binds for path, file in bind.files.items()}
    literal, hidden = split_environment(definition.get("environment"))
    kept.pop("volumes", None)
    result: dict[str, Any] = escape(
        {k: v for k, v in kept.items() if k not in ("environment", "depends_on", "deploy", "labels")}
    )
    result |= _image(service, project)
    if volumes:
        result["volumes"] = volumes
    if literal:
        result["environment"] = escape(literal)
    if hidden:
        path = f"env/{service.name}.env"
        files[path] = File(dotenv.dump(hidden), 0o600, secret=True)
        result["env_file"] = [path]
    waits = {k: dict(v) for k, v in sorted(services.depends_on(definition).items()) if k in here}
    if waits:
        result["depends_on"] = waits
    deploy = {
        k: v for k, v in (definition.get("deploy") or {}).items() if k not in ("replicas", "mode") and v is not None
    }
    if deploy:
        result["deploy"] = escape(deploy)
    result["labels"] = _labels(service, deployment)
    return result, files


def _image(service: Service, project: str) -> dict[str, Any]:
    image = service.image
    if image is None:
        return {"image": str(service.definition.get("image", ""))}
    if not image.digest:
        return {"image": image.name}
    return {"image": naming.image_tag(project, service.name, image.digest), "pull_policy": "never"}


def _labels(service: Service, deployment: Deployment) -> dict[str, Any]:
    raw = service.definition.get("labels")
    labels = {k: escape(v) for k, v in naming.label_map(raw).items()}
    image = service.image
    labels |= {
        naming.PROJECT: deployment.project,
        naming.ENVIRONMENT: deployment.environment,
        naming.IMAGE: escape(f"{image.name}@{image.digest}" if image and image.digest else image.name if image else ""),
        naming.RELEASE: naming.placeholder("RELEASE"),
        naming.FINGERPRINT: naming.placeholder("FINGERPRINT", service.name),
        naming.RESTART: services.restart_policy(service.definition),
    }
    name = service.definition.get("container_name")
    if name:
        labels[naming.CONTAINER_NAME] = escape(str(name))
    return dict(sorted(labels.items()))


def split_environment(raw: Any) -> tuple[dict[str, str], dict[str, str]]:
    """Return the variables whose value may be read by anyone, and those that hold a secret reference.

    A variable without a value is left out: what the machine that deploys happens to have set is no part of a release.
    """
    pairs = (
        raw.items() if isinstance(raw, Mapping) else (str(x).partition("=")[::2] for x in raw or () if "=" in str(x))
    )
    values = {str(k): _text(v) for k, v in sorted(pairs, key=lambda p: str(p[0])) if v is not None}
    hidden = {k: v for k, v in values.items() if "<secret:" in v}
    return {k: v for k, v in values.items() if k not in hidden}, hidden


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _resources(deployment: Deployment, key: str) -> dict[str, Any]:
    """Return networks or volumes, each labelled with a hash of its definition.

    A name that only repeats the compose file's own project name is left to this environment's compose project.
    """
    found: dict[str, Any] = {}
    own = _own_names(deployment)
    for name, raw in sorted((deployment.definition.get(key) or {}).items()):
        value = {k: v for k, v in (raw or {}).items() if v not in (None, {}) and not k.startswith("x-")}
        if not value.get("external"):
            if value.get("name") in {f"{prefix}_{name}" for prefix in own}:
                del value["name"]
            value = escape(value)
            value["labels"] = {**naming.label_map(value.get("labels")), naming.DEFINITION: _hash(value)}
            found[name] = value
        else:
            found[name] = escape(value)
    return found


def _own_names(deployment: Deployment) -> set[str]:
    """Return the project names that the compose file's networks and volumes may be prefixed with."""
    default = str(((deployment.definition.get("networks") or {}).get("default") or {}).get("name") or "")
    return {deployment.project} | ({default.removesuffix("_default")} if default.endswith("_default") else set())


def _hash(value: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def _contents(deployment: Deployment, key: str) -> tuple[dict[str, Any], dict[str, File], dict[str, str]]:
    """Return configs or secrets as files beside the compose file, and where those come from that no draft may hold.

    Whatever they come from, the container sees a read-only file.
    """
    found: dict[str, Any] = {}
    files: dict[str, File] = {}
    copied: dict[str, str] = {}
    for name, raw in sorted((deployment.definition.get(key) or {}).items()):
        value = {k: v for k, v in (raw or {}).items() if v is not None and k != "name"}
        path = f"{key}/{name}"
        source = str(value.get("file") or "")
        content = None if value.get("external") else _content(value, deployment)
        if content is not None and not (source and key == "secrets"):
            files[path] = File(content, 0o444, secret=key == "secrets" or b"<secret:" in content)
        elif source:
            copied[path] = escape(source)
        else:
            found[name] = escape(value)
            continue
        found[name] = {"file": f"./{path}"}
    return found, files, copied


def _content(value: Mapping[str, Any], deployment: Deployment) -> bytes | None:
    if "content" in value:
        return str(value["content"]).encode()
    if value.get("environment"):
        return reference(str(value["environment"])).encode()
    return shipped.read(deployment, str(value.get("file") or ""))
