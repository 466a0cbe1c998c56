"""A laboratory: one stack of the test's own on a real swarm of one node, looked at through its engine directly."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs
from stagecraft_hookspecs.contract.doubles import FakeContext, FakeMachine, MemoryFolder
from stagecraft_hookspecs.errors import CommandFailed, NotFound, ProviderError, TimedOut
from stagecraft_hookspecs.runtime import Deployment, Order, Service, Target, Update
from stagecraft_hookspecs.values import Command, File, Host, Image, Result, Secret
from stagecraft_swarm.runtime import Swarm

NODE = Host("node-1")
#: Say the version and stay; end at once on SIGTERM.
STAY = "echo serving $V; trap 'exit 0' TERM; while :; do sleep 0.2; done"


def worker(version: str, **more: Any) -> dict[str, Any]:
    """A service without ports that is healthy within a fraction of a second."""
    definition: dict[str, Any] = {
        "image": "busybox:latest",
        "command": ["sh", "-c", STAY],
        "environment": {"V": version},
        "healthcheck": {"test": ["CMD", "true"], "interval": "1s", "timeout": "5s", "start_interval": "100ms"},
        "stop_grace_period": "3s",
        "networks": {"default": None},
    }
    definition["healthcheck"]["start_period"] = "20s"
    return {**definition, **more}


class NodeMachine(FakeMachine):
    """Act with this machine's shell and files on the engine of a node."""

    def __init__(self, root: Path, engine: str) -> None:
        super().__init__(host=NODE)
        self.root, self.address = root, engine
        self._client: Any = None

    def run(self, command: Command, *, check: bool = True, on_line: Callable[[str], None] | None = None) -> Result:
        self.commands.append(command)
        stdin = command.stdin.reveal().encode() if isinstance(command.stdin, Secret) else command.stdin
        try:
            done = subprocess.run(
                command.argv,
                cwd=command.cwd or self.root,
                env={**os.environ, "DOCKER_HOST": self.address},
                input=stdin or b"",
                capture_output=True,
                timeout=command.timeout or None,
            )
        except subprocess.TimeoutExpired as error:
            raise TimedOut(f"{command.argv[0]} took longer than {command.timeout:g} s") from error
        result = Result(command.argv, done.returncode, done.stdout.decode(), done.stderr.decode())
        if check and not result.ok:
            raise CommandFailed(result)
        return result

    def read(self, path: str) -> bytes:
        try:
            return Path(path).read_bytes()
        except FileNotFoundError:
            raise NotFound("file", path) from None

    def write(self, path: str, data: bytes, *, mode: int = 0o644) -> None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).unlink(missing_ok=True)
        Path(path).write_bytes(data)
        Path(path).chmod(mode)

    def upload(self, files: Mapping[str, File], folder: str, *, exact: bool = False) -> tuple[str, ...]:
        for path, file in files.items():
            self.write(f"{folder}/{path}", file.data, mode=0o600 if file.secret else file.mode)
        return tuple(sorted(files))

    def remove(self, path: str) -> None:
        import shutil

        if Path(path).is_dir():
            shutil.rmtree(path)
        else:
            Path(path).unlink(missing_ok=True)

    def docker(self) -> Any:
        import docker

        if self._client is None:
            self._client = docker.DockerClient(base_url=self.address, timeout=60)
        return self._client


class NodeContext(FakeContext):
    """Have one host, a node, whose images are there already; clocks and files are real."""

    def home(self, host: Host = NODE) -> str:
        return str(self.root / "home")

    def image(self, image: Image, host: Host = NODE) -> str:
        try:
            return str(self.machine(host).docker().api.inspect_image(image.name)["Id"])
        except Exception as error:
            raise ProviderError(f"no image {image.name}") from error

    def fill(self, text: str) -> Secret:
        return Secret("text", re.sub(r"<secret:([^>]+)>", lambda m: self.secret(m[1]).reveal(), text))

    def monotonic(self) -> float:
        return time.monotonic()


@attrs.define
class Lab:
    """Deploy releases of one project and look at what came of them."""

    root: Path
    project: str
    engine: str
    secrets: dict[str, str] = attrs.field(factory=dict)
    folder: MemoryFolder = attrs.field(factory=MemoryFolder)
    last: str = ""
    context: Any = None

    def __attrs_post_init__(self) -> None:
        machine = NodeMachine(self.root, self.engine)
        given = {"machine": machine, "project": self.project, "hosts": (NODE,), "secrets": self.secrets}
        self.context = NodeContext(self.root, real_time=True, **given)

    @property
    def stack(self) -> str:
        return f"{self.project}-prod"

    def target(self, release: str, services: Mapping[str, Any], **more: Any) -> Target:
        """The target of a release of the services, rendered."""
        changes = {k: more.pop(k) for k in ("retained", "expired", "only") if k in more}
        made = []
        for name, definition in sorted(services.items()):
            update = (definition.get("deploy") or {}).get("update_config") or {}
            order = Order(update["order"]) if update.get("order") else None
            replicas = int((definition.get("deploy") or {}).get("replicas", 1))
            image = Image(definition["image"])
            made.append(Service(name, definition, (NODE.name,), replicas, image, None, Update(order)))
        resources = {"networks": {"default": {"name": f"{self.project}_default", "ipam": {}}}, **more}
        deployment = Deployment(
            self.project, "prod", tuple(made), (NODE,), resources, self.folder, release, str(self.root)
        )
        draft = Swarm.Renderer(None).render(deployment)
        return Target(NODE, deployment, draft.files[NODE.name], draft.policies, self.last, **changes)

    def run(self, target: Target, *steps: str) -> list[Any]:
        return [getattr(Swarm(), step)(self.context, target) for step in steps]

    def deploy(self, release: str, services: Mapping[str, Any], **more: Any) -> Any:
        """Deploy to the end and return what prepare said."""
        prepared, *_ = self.run(self.target(release, services, **more), "prepare", "switch", "retire")
        self.last = release
        return prepared

    def observe(self) -> Any:
        return Swarm().observe(self.context, NODE)

    def docker(self, *argv: str) -> str:
        environment = {**os.environ, "DOCKER_HOST": self.engine}
        done = subprocess.run(["docker", *argv], capture_output=True, text=True, check=True, env=environment)
        return done.stdout.strip()

    def containers(self) -> dict[str, list[str]]:
        """Service to the version of each of its running containers, as the engine itself says."""
        found: dict[str, list[str]] = {}
        label = f"label=com.docker.stack.namespace={self.stack}"
        for identity in self.docker("ps", "-q", "--no-trunc", "--filter", label).split():
            config = json.loads(self.docker("inspect", identity))[0]["Config"]
            versions = [e.partition("=")[2] for e in config["Env"] if e.startswith("V=")]
            found.setdefault(config["Labels"]["io.stagecraft.service"], []).extend(versions)
        return {name: sorted(versions) for name, versions in sorted(found.items())}

    def objects(self, kind: str) -> list[str]:
        """Names of the stack's configs, secrets, services or networks."""
        label = f"label=com.docker.stack.namespace={self.stack}"
        form = "{{.Spec.Name}}" if kind == "service" else "{{.Name}}"
        return sorted(self.docker(kind, "ls", "--filter", label, "--format", form.replace(".Spec", "")).split())
