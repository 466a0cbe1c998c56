"""A run over real engines: hosts are reached without SSH, over wires that are counted."""

from __future__ import annotations

import io
import os
import tarfile
import uuid
from pathlib import Path
from typing import Any

import docker
from stagecraft_hookspecs.values import LOCAL, Host, Image, Secret

from stagecraft.context import RunContext, Secretary
from stagecraft.images.deliveries import Login
from stagecraft.machine.scope import Scope
from stagecraft.output.scrub import Scrubber

from .wires import WireTap


class Reporter:
    """Keep what a run says."""

    def __init__(self) -> None:
        self.logged: list[str] = []
        self.shown: list[str] = []

    def log(self, message: str, *, level: str = "info", service: str = "", host: str = "") -> None:
        self.logged.append(f"{level} {host}: {message}")

    def progress(self, operation: str, message: str, *, service: str = "", host: str = "") -> None:
        self.shown.append(message)


class Machine:
    """A host of which only the engine is used."""

    def __init__(self, tap: WireTap) -> None:
        self.tap = tap
        self._client: Any = None

    def docker(self) -> Any:
        if self._client is None:
            self._client = docker.DockerClient(base_url=f"unix://{self.tap.path}", timeout=60)
        return self._client


class Run(RunContext):
    """A run whose hosts are given engines."""

    def __init__(self, root: Path, fleet: dict[str, Machine], secrets: dict[str, str], login: Login | None) -> None:
        known = {name: Secret(name, value) for name, value in secrets.items()}
        self.said = Reporter()
        secretary = Secretary(known, lambda names: {}, Scrubber())
        super().__init__(root, "shop", "prod", Scope(), secretary, self.said, None, login=login)  # type: ignore[arg-type]
        self._fleet = fleet

    def machine(self, host: Host = LOCAL) -> Any:
        return self._fleet[host.name] if host.name in self._fleet else super().machine(host)


class Fleet:
    """Make runs over engines, and images of this test's own; remove these everywhere afterwards."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.machines: dict[str, Machine] = {}
        self.name = f"shop/t{uuid.uuid4().hex[:10]}"
        self.here = docker.from_env()
        self._runs: list[Run] = []

    def add(self, name: str, engine: str) -> Host:
        """Add a host whose engine listens at a URL."""
        path = Path(f"/tmp/sct-{uuid.uuid4().hex[:12]}")  # a socket's path must be short
        self.machines[name] = Machine(WireTap(path, engine))
        return Host(name)

    def run(self, *, secrets: dict[str, str] | None = None, login: Login | None = None) -> Run:
        """Return a new run: it knows nothing of earlier ones."""
        self._runs.append(Run(self.root, self.machines, secrets or {}, login))
        return self._runs[-1]

    def tap(self, host: Host) -> WireTap:
        return self.machines[host.name].tap

    def engine(self, host: Host) -> Any:
        return self.machines[host.name].docker()

    def build(self, *layers: bytes, base: str = "busybox", tag: str = "") -> Image:
        """Build an image with a layer for each of the contents on this machine's engine."""
        lines = [f"FROM {base}", *(f"COPY f{n} /f{n}" for n in range(len(layers))), f"LABEL test={self.name}"]
        files = {"Dockerfile": "\n".join(lines).encode(), **{f"f{n}": content for n, content in enumerate(layers)}}
        context = io.BytesIO()
        with tarfile.open(fileobj=context, mode="w") as archive:
            for name, content in files.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
        context.seek(0)
        built, _ = self.here.images.build(fileobj=context, custom_context=True, tag=tag or self.name, rm=True)
        return Image(tag or self.name, str(built.id))

    def close(self) -> None:
        """Remove the images, and end the wires."""
        for run in self._runs:
            run.deliveries.close()
        for client in (self.here, *(machine.docker() for machine in self.machines.values())):
            for image in client.images.list(all=True, filters={"label": f"test={self.name}"}):
                client.images.remove(image.id, force=True)
        for machine in self.machines.values():
            machine.tap.close()


def content(megabytes: float) -> bytes:
    """Return bytes that nothing can compress and that no other image has."""
    return os.urandom(int(megabytes * 1e6))


def sees(fleet: Fleet, host: Host, identity: str, path: str) -> bytes:
    """Return what a file of an image holds, as a container of the host's engine has it."""
    engine = fleet.engine(host)
    container = engine.containers.create(identity, ["true"])
    try:
        pieces, _ = container.get_archive(path)
        whole = b"".join(pieces)
    finally:
        container.remove(v=True)
    return whole[512:]
