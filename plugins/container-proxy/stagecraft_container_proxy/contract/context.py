"""Reach this machine, as the kernel would let a proxy reach a host."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from stagecraft_hookspecs.errors import CommandFailed, NotFound, TimedOut, ToolMissing
from stagecraft_hookspecs.values import LOCAL, Command, File, Host, Image, Result, Secret


class LocalMachine:
    """Act on this machine."""

    host = LOCAL

    def __init__(self, root: Path) -> None:
        self.root = root
        self._client: Any = None

    def run(self, command: Command, *, check: bool = True, on_line: Callable[[str], None] | None = None) -> Result:
        try:
            done = subprocess.run(
                command.argv, cwd=command.cwd or self.root, capture_output=True, timeout=command.timeout or None
            )
        except FileNotFoundError as error:
            raise ToolMissing(f"{command.argv[0]} is not installed") from error
        except subprocess.TimeoutExpired as error:
            raise TimedOut(f"{command.argv[0]} took too long") from error
        result = Result(
            command.argv, done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        )
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
        fresh = target.with_name(f".{target.name}.{os.getpid()}.{threading.get_ident()}")
        fresh.write_bytes(data)
        fresh.chmod(mode)
        fresh.rename(target)

    def upload(self, files: Mapping[str, File], folder: str, *, exact: bool = False) -> tuple[str, ...]:
        """Write those files that differ, each in full or not at all, and return their paths."""
        changed = []
        for path, file in sorted(files.items()):
            target, mode = Path(folder) / path, 0o600 if file.secret else file.mode
            if not target.is_file() or target.read_bytes() != file.data or target.stat().st_mode & 0o777 != mode:
                self.write(str(target), file.data, mode=mode)
                changed.append(path)
        return tuple(changed)

    def remove(self, path: str) -> None:
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

    def __init__(self, root: Path, project: str, environment: str = "prod") -> None:
        self.root, self.project, self.environment = root, project, environment
        self.here = LocalMachine(root)
        self.logged: list[tuple[str, str]] = []

    @property
    def hosts(self) -> tuple[Host, ...]:
        """Return this machine alone."""
        return (LOCAL,)

    def machine(self, host: Host = LOCAL) -> LocalMachine:
        return self.here

    def home(self, host: Host = LOCAL) -> str:
        return str(self.root / ".stagecraft" / "home" / self.environment)

    def image(self, image: Image, host: Host = LOCAL) -> str:
        return str(self.here.docker().images.get(f"{image.name}@{image.digest}").id)

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
