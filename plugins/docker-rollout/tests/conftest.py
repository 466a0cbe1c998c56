"""A laboratory: one compose project of the test's own on the real engine, with the tool's stand-in among Docker's plugins."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest
from stagecraft_docker_rollout.config import Config
from stagecraft_docker_rollout.runtime import DockerRollout
from stagecraft_hookspecs.contract.doubles import FakeContext, FakeMachine
from stagecraft_hookspecs.errors import CommandFailed, NotFound
from stagecraft_hookspecs.runtime import Deployment, Service, Target, Update
from stagecraft_hookspecs.values import LOCAL, Command, File, Host, Image, Result

#: Another program to be the tool, such as the real one: a path.
TOOL = os.environ.get("DOCKER_ROLLOUT", str(Path(__file__).with_name("docker-rollout")))
STAY = "echo serving $V; trap 'exit 0' TERM; while :; do sleep 0.2; done"
CHECK = {"test": ["CMD", "true"], "interval": "1s", "timeout": "5s", "retries": 2, "start_period": "5s"}


def worker(version: str, **more: Any) -> dict[str, Any]:
    """A service without ports that is healthy within a second."""
    base = {"image": "busybox", "command": ["sh", "-c", STAY], "environment": {"V": version}}
    return {**base, "healthcheck": CHECK, "stop_grace_period": "3s", "networks": {"default": None}, **more}


class HereMachine(FakeMachine):
    """Act on this machine."""

    def run(self, command: Command, *, check: bool = True, on_line: Callable[[str], None] | None = None) -> Result:
        self.commands.append(command)
        stdin = command.stdin if isinstance(command.stdin, bytes) else b""
        done = subprocess.run(command.argv, cwd=command.cwd or "/", input=stdin, capture_output=True, timeout=120)
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
        if Path(path).is_dir():
            shutil.rmtree(path)
        else:
            Path(path).unlink(missing_ok=True)

    def docker(self) -> Any:
        import docker

        self._engine = self._engine or docker.from_env(timeout=60)
        return self._engine


class HereContext(FakeContext):
    """Have this machine, real time, and images that are there."""

    def home(self, host: Host = LOCAL) -> str:
        return str(self.root / "a home" / "prod")  # paths may have spaces

    def image(self, image: Image, host: Host = LOCAL) -> str:
        return str(self.machine(host).docker().api.inspect_image(image.name)["Id"])

    def monotonic(self) -> float:
        return time.monotonic()


@attrs.define
class Lab:
    """Deploy releases of one project and look at what came of them."""

    root: Path
    project: str
    config: Config = attrs.field(factory=lambda: Config(wait=1.0))
    last: str = ""
    context: Any = None

    def __attrs_post_init__(self) -> None:
        self.context = HereContext(self.root, machine=HereMachine(), project=self.project, real_time=True)

    def target(self, release: str, services: Mapping[str, Any], **more: Any) -> Target:
        made = tuple(
            Service(n, d, ("local",), int(d.pop("replicas", 1)), Image(d["image"]), None, Update())
            for n, d in sorted({n: dict(d) for n, d in services.items()}.items())
        )
        resources = {"networks": {"default": {"name": f"{self.project}_default", "ipam": {}}}}
        deployment = Deployment(self.project, "prod", made, (LOCAL,), resources, None, release, str(self.root))
        draft = DockerRollout.Renderer(self.config).render(deployment)
        return Target(LOCAL, deployment, draft.files["local"], draft.policies, self.last, **more)

    def run(self, target: Target, *steps: str) -> list[Any]:
        return [getattr(DockerRollout(self.config), step)(self.context, target) for step in steps]

    def deploy(self, release: str, services: Mapping[str, Any], **more: Any) -> Any:
        prepared, *_ = self.run(self.target(release, services, **more), "prepare", "switch", "retire")
        self.last = release
        return prepared

    def observe(self) -> Any:
        return DockerRollout(self.config).observe(self.context, LOCAL)

    def docker(self, *argv: str) -> str:
        return subprocess.run(["docker", *argv], capture_output=True, text=True, check=True).stdout.strip()

    def containers(self) -> dict[str, list[str]]:
        """Service to the version of each container, running or not, as the engine itself says."""
        found: dict[str, list[str]] = {}
        label = f"label=com.docker.compose.project={self.project}-prod"
        for identity in self.docker("ps", "-aq", "--filter", label).split():
            form = '{{index .Config.Labels "com.docker.compose.service"}} {{json .Config.Env}} {{.State.Status}}'
            name, env, state = self.docker("inspect", "--format", form, identity).split(" ", 2)
            version = env.partition('"V=')[2].partition('"')[0]
            found.setdefault(name, []).append(version if state == "running" else f"{version} {state}")
        return {name: sorted(versions) for name, versions in sorted(found.items())}

    def tools(self) -> list[str]:
        """Services that the tool was run for, in order."""
        return [c.argv[-1] for c in self.context.machine().commands if "rollout" in c.argv and "-f" in c.argv]

    def clean(self) -> None:
        label = f"label=com.docker.compose.project={self.project}-prod"
        for kind, remove in (("ps -aq", "rm -fv"), ("network ls -q", "network rm"), ("volume ls -q", "volume rm")):
            if ids := self.docker(*kind.split(), "--filter", label).split():
                self.docker(*remove.split(), *ids)
        reference = f"reference={self.project}*/*"
        if tags := self.docker("images", "--format", "{{.Repository}}:{{.Tag}}", "--filter", reference).split():
            self.docker("rmi", *tags)


def docker_folder(folder: Path) -> Path:
    """Make a configuration folder of Docker's with the tool among its plugins, and what the usual one has."""
    usual = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    plugins = folder / "cli-plugins"
    plugins.mkdir(parents=True)
    for entry in usual.iterdir() if usual.is_dir() else ():
        if entry.name != "cli-plugins":
            (folder / entry.name).symlink_to(entry)
    for entry in (usual / "cli-plugins").iterdir() if (usual / "cli-plugins").is_dir() else ():
        if entry.name != "docker-rollout":
            (plugins / entry.name).symlink_to(entry)
    shutil.copy(TOOL, plugins / "docker-rollout")
    (plugins / "docker-rollout").chmod(0o755)
    return folder


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    monkeypatch.setenv("DOCKER_CONFIG", str(docker_folder(tmp_path / "docker")))
    made = Lab(tmp_path, f"sct{uuid.uuid4().hex[:8]}")
    yield made
    made.clean()
