"""Stand in for the kernel, in a few lines: a ``Context`` for this machine, and a program that runs a step.

``python driver.py SPEC`` runs the step that the JSON file SPEC describes, and kills itself at the effect that it names.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stagecraft_haproxy.config import Config
from stagecraft_haproxy.proxy import Haproxy
from stagecraft_hookspecs.errors import CommandFailed, NotFound, ToolMissing
from stagecraft_hookspecs.proxy import Endpoint, Limits, Route
from stagecraft_hookspecs.values import LOCAL, Command, Host, Image, Result, Secret


class LocalMachine:
    """Act on this machine."""

    host = LOCAL

    def __init__(self) -> None:
        self._client: Any = None

    def run(self, command: Command, *, check: bool = True, on_line: Callable[[str], None] | None = None) -> Result:
        try:
            done = subprocess.run(command.argv, capture_output=True, text=True)
        except FileNotFoundError as error:
            raise ToolMissing(f"{command.argv[0]} is not installed") from error
        result = Result(command.argv, done.returncode, done.stdout, done.stderr)
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

    def remove(self, path: str) -> None:
        shutil.rmtree(path) if Path(path).is_dir() else Path(path).unlink(missing_ok=True)

    def docker(self) -> Any:
        import docker

        if self._client is None:
            self._client = docker.from_env(timeout=60)
        return self._client


class LocalContext:
    """Reach the world, for one environment in one folder."""

    def __init__(self, root: Path, project: str = "shop", environment: str = "prod") -> None:
        self.root, self.project, self.environment = root, project, environment
        self.here = LocalMachine()
        self.logged: list[tuple[str, str]] = []

    def machine(self, host: Host = LOCAL) -> LocalMachine:
        return self.here

    def home(self, host: Host = LOCAL) -> str:
        return str(self.root / ".stagecraft" / self.project / self.environment)

    def image(self, image: Image, host: Host = LOCAL) -> str:
        return str(self.here.docker().api.inspect_image(image.digest)["Id"])

    def secret(self, name: str) -> Secret:
        raise NotFound("secret", name)

    def fill(self, text: str) -> Secret:
        return Secret("text", text)

    def log(self, message: str, *, level: str = "info", service: str = "", host: str = "") -> None:
        self.logged.append((level, message))

    def progress(self, message: str, *, service: str = "", host: str = "") -> None:
        pass

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def monotonic(self) -> float:
        return time.monotonic()

    def oneoff(self, service: str, argv: tuple[str, ...], *, timeout: float = 0.0) -> Result:
        raise NotImplementedError


def routes_of(data: list[dict[str, Any]]) -> tuple[Route, ...]:
    """Return routes from JSON."""
    return tuple(
        Route(
            **{
                **r,
                "hosts": tuple(r["hosts"]),
                "limits": Limits(**r["limits"]),
                "targets": tuple(Endpoint(**t) for t in r["targets"]),
            }
        )
        for r in data
    )


def die_at(number: int) -> list[int]:
    """Kill this process before its ``number``-th effect: a file written or removed, a request that changes something."""
    import requests

    count = [0]

    def wrapped(owner: Any, name: str, matters: Callable[..., bool]) -> None:
        original = getattr(owner, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            if matters(*args):
                count[0] += 1
                if count[0] == number:
                    os.kill(os.getpid(), signal.SIGKILL)
            return original(*args, **kwargs)

        setattr(owner, name, call)

    wrapped(requests.Session, "send", lambda _, request: request.method != "GET")
    wrapped(LocalMachine, "write", lambda *_: True)
    wrapped(LocalMachine, "remove", lambda *_: True)
    return count


def main(path: str) -> None:
    spec = json.loads(Path(path).read_text())
    count = die_at(spec["die_at"])
    proxy, ctx = Haproxy(Config()), LocalContext(Path(spec["root"]), spec["project"])
    getattr(proxy, spec["step"])(ctx, LOCAL, routes_of(spec["routes"]))
    print(count[0])


if __name__ == "__main__":
    main(*sys.argv[1:])
