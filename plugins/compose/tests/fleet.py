"""Real hosts for the runtime's tests: a ``Machine`` over OpenSSH, and a laboratory that deploys to several hosts.

Steps reach a host as its user would, over SSH; what a test asserts is read past SSH, as root, from the host itself.
"""

from __future__ import annotations

import io
import json
import shlex
import subprocess
import tarfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import attrs
from stagecraft_hookspecs.errors import CommandFailed, NotFound, ProviderError, TimedOut
from stagecraft_hookspecs.proxy import Route
from stagecraft_hookspecs.runtime import Deployment, Execution, LogQuery, Order, Service, Target, Update, View
from stagecraft_hookspecs.values import LOCAL, Command, File, Host, Image, Result, Secret

from tests.testbed.handles import TestHost

from .conftest import driver

PLACE = 'mkdir -p "$1" && cd "$1" && exec tar -xp --no-same-owner'
READ = '[ -f "$1" ] || exit 9; exec cat "$1"'


class SshMachine:
    """Act on a test's host through one shared connection."""

    def __init__(self, bed: TestHost, folder: Path) -> None:
        self.bed, self.host = bed, Host(bed.name, bed.address, bed.user, bed.port, ("app",))
        self.commands: list[Command] = []
        self.trips = 0
        shared = ("-oControlMaster=auto", f"-oControlPath={folder}/%C", "-oControlPersist=30")
        self._ssh = ("ssh", "-F", str(bed.ssh_config), *shared, bed.name)
        self._client: Any = None

    def run(self, command: Command, *, check: bool = True, on_line: Callable[[str], None] | None = None) -> Result:
        self.commands.append(command)
        env = {k: v.reveal() if isinstance(v, Secret) else v for k, v in command.env.items()}
        words = [*(f"{k}={v}" for k, v in env.items()), *command.argv]
        line = f"cd {shlex.quote(command.cwd or '.')} && exec env {shlex.join(words)}"
        code, out, err = self._say(line, b"", command.timeout)
        result = Result(command.argv, code, out.decode(errors="replace"), err.decode(errors="replace"))
        if check and not result.ok:
            raise CommandFailed(result)
        return result

    def read(self, path: str) -> bytes:
        code, out, err = self._say(shlex.join(("sh", "-c", READ, "read", path)), b"", 30)
        if code:
            raise NotFound("file", path) if code == 9 else ProviderError(err.decode())
        return out

    def write(self, path: str, data: bytes, *, mode: int = 0o644) -> None:
        folder, _, name = path.rpartition("/")
        self.upload({name: File(data, mode)}, folder)

    def upload(self, files: Mapping[str, File], folder: str, *, exact: bool = False) -> tuple[str, ...]:
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            for path, file in files.items():
                entry = tarfile.TarInfo(path)
                entry.size, entry.mode = len(file.data), 0o600 if file.secret else file.mode
                archive.addfile(entry, io.BytesIO(file.data))
        code, _, err = self._say(shlex.join(("sh", "-c", PLACE, "place", folder)), packed.getvalue(), 60)
        if code:
            raise ProviderError(f"cannot write below {folder}: {err.decode().strip()}", hint="free some space")
        return tuple(sorted(files))

    def remove(self, path: str) -> None:
        self._say(shlex.join(("rm", "-rf", path)), b"", 30)

    def docker(self) -> Any:
        import docker

        if self._client is None:
            self._client = docker.DockerClient(base_url=self.bed.docker_host, timeout=60)
        return self._client

    def _say(self, line: str, data: bytes, timeout: float) -> tuple[int, bytes, bytes]:
        self.trips += 1
        try:
            done = subprocess.run((*self._ssh, line), input=data, capture_output=True, timeout=timeout or None)
        except subprocess.TimeoutExpired as error:
            raise TimedOut(f"no answer within {timeout:g} s") from error
        return done.returncode, done.stdout, done.stderr


class FleetContext(driver.LocalContext):  # type: ignore[misc,name-defined]
    """Reach several hosts."""

    def __init__(
        self, root: Path, project: str, machines: Mapping[str, SshMachine], secrets: Mapping[str, str]
    ) -> None:
        super().__init__(root, project, "prod", secrets)
        self.machines = machines

    def machine(self, host: Host = LOCAL) -> Any:
        return self.machines.get(host.name) or self.here

    def home(self, host: Host = LOCAL) -> str:
        return f"/home/{self.machines[host.name].bed.user}/.stagecraft/{self.project}/prod"

    def image(self, image: Image, host: Host = LOCAL) -> str:
        """Return the id of an image that the test put there."""
        return self.machines[host.name].bed.docker("image", "inspect", "-f", "{{.Id}}", image.name).strip()


class ProjectFiles:
    """The project's folder, as the kernel shows it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def exists(self, path: str) -> bool:
        return (self.root / path).exists()

    def read(self, path: str) -> bytes:
        if not (self.root / path).is_file():
            raise NotFound("file", path)
        return (self.root / path).read_bytes()

    def glob(self, pattern: str) -> tuple[str, ...]:
        return tuple(sorted(p.relative_to(self.root).as_posix() for p in self.root.glob(pattern) if p.is_file()))

    def tree(self, path: str, limit: int) -> dict[str, File]:
        start = self.root / path
        if not start.exists():
            raise NotFound("file", path)
        files = [start] if start.is_file() else sorted(p for p in start.rglob("*") if p.is_file())
        return {p.relative_to(self.root).as_posix(): File(p.read_bytes(), p.stat().st_mode & 0o777) for p in files}


@attrs.define
class Fleet:
    """Deploy releases of one project to hosts and look at what came of them."""

    root: Path
    project: str
    machines: dict[str, SshMachine]
    secrets: dict[str, str] = attrs.field(factory=dict)
    last: str = ""
    roles: dict[str, tuple[str, ...]] = attrs.field(factory=dict)
    routes: dict[str, tuple[Route, ...]] = attrs.field(factory=dict)
    context: Any = None

    @property
    def hosts(self) -> tuple[Host, ...]:
        return tuple(m.host for _, m in sorted(self.machines.items()))

    def deployment(self, release: str, services: Mapping[str, Any], **more: Any) -> Deployment:
        made = []
        for name, definition in sorted(services.items()):
            update = (definition.get("deploy") or {}).get("update_config") or {}
            found = Update(
                Order(update["order"]) if update.get("order") else None,
                int(update.get("parallelism", 1)),
                float(update.get("delay", 0)),
                max_failure_ratio=float(update.get("max_failure_ratio", 0)),
            )
            where = self.roles.get(name, tuple(sorted(self.machines)))
            count = int((definition.get("deploy") or {}).get("replicas", 1))
            image = Image(definition["image"])
            made.append(Service(name, definition, where, count, image, None, found, self.routes.get(name, ())))
        rest = {"networks": {"default": {"name": f"{self.project}_default", "ipam": {}}}, **more}
        files = ProjectFiles(self.root)
        return Deployment(self.project, "prod", tuple(made), self.hosts, rest, files, release, str(self.root))

    def render(self, release: str, services: Mapping[str, Any], **more: Any) -> Any:
        return driver.Compose.Renderer(None).render(self.deployment(release, services, **more))

    def targets(self, release: str, services: Mapping[str, Any], **more: Any) -> dict[str, Target]:
        previous, expired = more.pop("previous", self.last), more.pop("expired", ())
        deployment = self.deployment(release, services, **more)
        draft = driver.Compose.Renderer(None).render(deployment)
        return {
            h.name: Target(h, deployment, draft.files[h.name], draft.policies, previous, (), tuple(expired))
            for h in self.hosts
        }

    def run(self, targets: Mapping[str, Target], *steps: str) -> dict[str, Any]:
        """Run steps, each on all hosts at once; return what the last one returned."""
        self.context = FleetContext(self.root, self.project, self.machines, self.secrets)
        runtime = driver.Compose()
        found: dict[str, Any] = {}
        with ThreadPoolExecutor(max_workers=len(targets)) as pool:
            for step in steps:
                results = pool.map(lambda t, step=step: getattr(runtime, step)(self.context, t), targets.values())
                found = dict(zip(targets, results, strict=True))
        return found

    def deploy(self, release: str, services: Mapping[str, Any], **more: Any) -> None:
        self.run(self.targets(release, services, **more), "preflight", "prepare", "switch", "retire")
        self.last = release

    def home(self, host: str) -> str:
        return f"/home/{self.machines[host].bed.user}/.stagecraft/{self.project}/prod"

    def instances(self, host: str, release: str) -> Any:
        return driver.Compose().instances(self.context, self.machines[host].host, release)

    def observe(self, host: str) -> Any:
        return driver.Compose().observe(self.context, self.machines[host].host)

    def states(self, host: str) -> dict[str, list[str]]:
        """Service to the states of its containers on a host, as the host's own engine says."""
        found: dict[str, list[str]] = {}
        for row in self._rows(host):
            found.setdefault(row["Names"].rsplit("-", 2)[1], []).append(row["State"])
        return {name: sorted(states) for name, states in sorted(found.items())}

    def running(self, host: str, service: str) -> str:
        """Return the id of the one running container of a service."""
        rows = [r for r in self._rows(host) if r["State"] == "running" and r["Names"].rsplit("-", 2)[1] == service]
        (row,) = rows
        return str(row["ID"])

    def inside(self, host: str, service: str, *argv: str) -> str:
        return self.machines[host].bed.docker("exec", self.running(host, service), *argv).strip()

    def command(self, host: str, release: str, request: LogQuery | Execution) -> Command:
        renderer = driver.Compose.Renderer(None)
        view = View(self.project, "prod", self.machines[host].host, self.home(host), release, self.observe(host))
        found: Command = (renderer.logs if isinstance(request, LogQuery) else renderer.execute)(view, request)
        return found

    def _rows(self, host: str) -> list[dict[str, str]]:
        label = f"label=com.docker.compose.project={self.project}-prod"
        out = self.machines[host].bed.docker("ps", "-a", "--no-trunc", "--filter", label, "--format", "{{json .}}")
        return [json.loads(line) for line in out.splitlines()]
