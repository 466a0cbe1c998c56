"""Stand in for the kernel, in a few lines: a ``Context`` for this machine, and a program that runs steps of the
runtime.

``python driver.py SPEC STEP…`` runs steps on the deployment that the JSON file SPEC describes; tests kill it on the
way.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from stagecraft_compose.runtime import Compose
from stagecraft_hookspecs.errors import CommandFailed, NotFound, ProviderError, TimedOut, ToolMissing
from stagecraft_hookspecs.runtime import Deployment, Order, Service, Target, Update
from stagecraft_hookspecs.values import LOCAL, Command, File, Host, Image, Result, Secret


class LocalMachine:
    """Act on this machine."""

    host = LOCAL

    def __init__(self, root: Path) -> None:
        self.root = root
        self.commands: list[tuple[str, ...]] = []
        self._client: Any = None

    def run(self, command: Command, *, check: bool = True, on_line: Callable[[str], None] | None = None) -> Result:
        env = {k: v.reveal() if isinstance(v, Secret) else v for k, v in command.env.items()}
        self.commands.append(command.argv)
        try:
            done = subprocess.run(
                command.argv,
                cwd=command.cwd or self.root,
                env={**os.environ, **env},
                input=(command.stdin.reveal().encode() if isinstance(command.stdin, Secret) else command.stdin) or b"",
                capture_output=True,
                timeout=command.timeout or None,
            )
        except FileNotFoundError as error:
            raise ToolMissing(f"{command.argv[0]} is not installed") from error
        except subprocess.TimeoutExpired as error:
            raise TimedOut(f"{command.argv[0]} took longer than {command.timeout:g} s") from error
        result = Result(
            command.argv, done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        )
        if on_line:
            for line in (result.stdout + result.stderr).splitlines():
                on_line(line)
        if check and not result.ok:
            raise CommandFailed(result)
        return result

    def read(self, path: str) -> bytes:
        try:
            return Path(path).read_bytes()
        except FileNotFoundError:
            raise NotFound("file", path) from None

    def write(self, path: str, data: bytes, *, mode: int = 0o644) -> None:
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = target.with_name(f".{target.name}.{os.getpid()}")
        fresh.write_bytes(data)
        fresh.chmod(mode)
        fresh.rename(target)

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
            self._client = docker.from_env(timeout=60)
        return self._client


class LocalContext:
    """Reach the world, for one project in one folder."""

    def __init__(self, root: Path, project: str, environment: str, secrets: Mapping[str, str] | None = None) -> None:
        self.root, self.project, self.environment = root, project, environment
        self.secrets = dict(secrets or {})
        self.here = LocalMachine(root)
        self.said: list[str] = []
        self.logged: list[tuple[str, str]] = []

    def machine(self, host: Host = LOCAL) -> LocalMachine:
        return self.here

    def home(self, host: Host = LOCAL) -> str:
        return str(self.root / ".stagecraft" / "home" / self.environment)

    def secret(self, name: str) -> Secret:
        if name not in self.secrets:
            raise NotFound("secret", name, self.secrets)
        return Secret(name, self.secrets[name])

    def image(self, image: Image, host: Host = LOCAL) -> str:
        """Return an image's id, if the engine has it; what a registry has is the kernel's to fetch."""
        from docker.errors import ImageNotFound

        repository = image.name.partition("@")[0].rpartition(":")[0] or image.name
        for name in (f"{repository}@{image.digest}", image.digest) if image.digest else (image.name,):
            try:
                return str(self.machine(host).docker().api.inspect_image(name)["Id"])
            except ImageNotFound:
                continue
        raise ProviderError(f"image {image.name}@{image.digest} cannot be had", hint="docker login")

    def fill(self, text: str) -> Secret:
        return Secret("text", re.sub(r"<secret:([^>]+)>", lambda m: self.secret(m[1]).reveal(), text))

    def log(self, message: str, *, level: str = "info", service: str = "", host: str = "") -> None:
        self.logged.append((level, message))

    def progress(self, message: str, *, service: str = "", host: str = "") -> None:
        self.said.append(message)

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def monotonic(self) -> float:
        return time.monotonic()

    def oneoff(self, service: str, argv: tuple[str, ...], *, timeout: float = 0.0) -> Result:
        raise NotImplementedError


def deployment_of(spec: Mapping[str, Any], folder: Any = None) -> Deployment:
    """Return the deployment that a spec describes: ``{project, environment, release, services: {name: definition},
    …}``.
    """
    services = []
    for name, definition in sorted(spec["services"].items()):
        update = (definition.get("deploy") or {}).get("update_config") or {}
        order = Order(update["order"]) if update.get("order") else None
        services.append(
            Service(
                name,
                definition,
                ("local",),
                int((definition.get("deploy") or {}).get("replicas", 1)),
                Image(definition.get("image", ""), (spec.get("digests") or {}).get(name, "")),
                None,
                Update(order, int(update.get("parallelism", 1)), float(update.get("delay", 0))),
            )
        )
    rest = {k: spec[k] for k in ("networks", "volumes", "configs", "secrets") if k in spec}
    return Deployment(spec["project"], spec["environment"], tuple(services), (LOCAL,), rest, folder, spec["release"])


def target_of(spec: Mapping[str, Any], folder: Any = None) -> Target:
    """Return the target of a spec on this machine, rendered."""
    deployment = deployment_of(spec, folder)
    draft = Compose.Renderer(None).render(deployment)
    return Target(
        LOCAL,
        deployment,
        draft.files["local"],
        draft.policies,
        spec.get("previous", ""),
        tuple(spec.get("retained", ())),
        tuple(spec.get("expired", ())),
        tuple(spec.get("only", ())),
    )


def die_at(number: int, *, during: bool) -> list[int]:
    """Kill this process at its ``number``-th effect: a command, a file written, a request that changes something.

    ``during`` lets the effect begin: the kill comes 15 ms later, while the engine or the command may be at it.
    Returns the count of effects so far, in a list of one.
    """
    import signal
    import threading

    import requests

    count = [0]

    def effect() -> None:
        count[0] += 1
        if count[0] == number and not during:
            os.kill(os.getpid(), signal.SIGKILL)
        elif count[0] == number:
            threading.Timer(0.015, os.kill, (os.getpid(), signal.SIGKILL)).start()

    def wrapped(owner: Any, name: str, matters: Callable[..., bool]) -> None:
        original = getattr(owner, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            if matters(*args):
                effect()
            return original(*args, **kwargs)

        setattr(owner, name, call)

    wrapped(requests.Session, "send", lambda _, request: request.method != "GET")
    for name in ("run", "write", "upload", "remove"):
        wrapped(LocalMachine, name, lambda *_: True)
    return count


def main(path: str, *steps: str) -> None:
    """Run steps, announcing each when it begins and ends, and at the end how many effects there were."""
    spec = json.loads(Path(path).read_text())
    count = die_at(spec.get("die_at", 0), during=spec.get("during", False))
    ctx = LocalContext(Path(spec["root"]), spec["project"], spec["environment"], spec.get("secret_values"))
    runtime, target = Compose(), target_of(spec)
    for step in steps:
        print(f"begin {step}", flush=True)
        getattr(runtime, step)(ctx, target)
        print(f"end {step}", flush=True)
    print(f"effects {count[0]}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
