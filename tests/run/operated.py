"""A fleet of three hosts that are folders: every command is the real one, only the way to a host is short."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs
import pytest
from stagecraft_hookspecs.context import Machine
from stagecraft_hookspecs.errors import ProviderError
from stagecraft_hookspecs.state import Holder
from stagecraft_hookspecs.values import LOCAL, Host

from stagecraft.context import RunContext
from stagecraft.machine.local import LocalMachine
from stagecraft.run import leases
from tests.cli.conftest import Printed, Project

CONFIG = """\
project: {name: fleet}
hosts: {app: [app-1, app-2], db: [db-1]}
services: {api: {role: app}, db: {role: db}}
environments:
  prod: {runtime: paper, rollout: {soak: 0s}}
"""
COMPOSE = """\
services:
  api: {build: ./api, command: [serve, "VERSION"]}
  db: {build: ./db, command: [store]}
"""


class FolderMachine(LocalMachine):
    """A host that is a folder of this machine."""

    def __init__(self, host: Host, root: Path, scope: Any) -> None:
        super().__init__(root, scope)
        self._named = host

    @property
    def host(self) -> Host:
        return self._named


@attrs.frozen
class Fleet:
    """A project whose environment `prod` has three hosts."""

    project: Project

    def __call__(self, *argv: str, code: int | None = None) -> Printed:
        """Run `stagecraft ARGV`."""
        return self.project(*argv, code=code)

    @property
    def folder(self) -> Path:
        """Where the project lies."""
        return self.project.folder

    def host(self, name: str) -> Path:
        """The folder that a host is."""
        return self.folder / "hosts" / name

    def deploy(self, version: str) -> str:
        """Deploy a version of `api`; return the release's id."""
        (self.folder / "docker-compose.yml").write_text(COMPOSE.replace("VERSION", version))
        self("deploy", "-v", version, code=0)
        return self.serving

    @property
    def serving(self) -> str:
        """The id of the release that serves."""
        listed = json.loads(self("releases", "list", "--json", code=0).out)
        releases = listed["releases"] if isinstance(listed, dict) else listed
        return str(next(r["id"] for r in releases if r["outcome"] == "serving"))

    def down(self, *names: str) -> None:
        """Cut hosts off."""
        for name in names:
            (self.folder / f"down-{name}").touch()

    def up(self, name: str) -> None:
        """Let a host be reached again."""
        (self.folder / f"down-{name}").unlink()

    def change(self, host: str, service: str, **values: Any) -> None:
        """Change what a host says of its instance of a service."""
        path = self.host(host) / "instances.json"
        listed = [{**i, **values} if i["service"] == service else i for i in json.loads(path.read_text())]
        path.write_text(json.dumps(listed))

    def put_back(self, host: str, service: str, release: str) -> None:
        """Let a host's instance of a service be of another release."""
        self.change(host, service, release_id=release)

    def write_log(self, host: str, service: str, *lines: str) -> None:
        """Append lines, each `TIME TEXT`, to the log of a host's instance of a service."""
        listed = json.loads((self.host(host) / "instances.json").read_text())
        (instance,) = (i["id"] for i in listed if i["service"] == service)
        with (self.host(host) / f"{instance}.log").open("a") as file:
            file.write("".join(f"{line}\n" for line in lines))


def make(folder: Path, patch: pytest.MonkeyPatch) -> Fleet:
    """Make the project, with hosts that are folders below it."""
    for name, text in (("stagecraft.yml", CONFIG), ("docker-compose.yml", COMPOSE.replace("VERSION", "1"))):
        (folder / name).write_text(text)

    def machine(self: RunContext, host: Host = LOCAL) -> Machine:
        if host.name == LOCAL.name:
            return LocalMachine(folder, self.scope)
        if (folder / f"down-{host.name}").exists():
            raise ProviderError(f"cannot reach {host.name}", hint=f"see whether it is up: ping {host.name}")
        (folder / "hosts" / host.name).mkdir(parents=True, exist_ok=True)
        return FolderMachine(host, folder, self.scope)

    def held_on(ctx: RunContext, host: Host) -> Holder | None:
        ctx.machine(host)
        path = folder / "hosts" / host.name / "held"
        return Holder(*path.read_text().split(",")) if path.exists() else None

    def break_on(ctx: RunContext, host: Host) -> None:
        (folder / "hosts" / host.name / "held").unlink()

    patch.setattr(leases, "held_on", held_on)
    patch.setattr(leases, "break_on", break_on)
    patch.setattr(RunContext, "remote_homes", lambda self: {})
    patch.setattr(RunContext, "machine", machine)
    patch.setattr(RunContext, "home", lambda self, host=LOCAL: str(folder / "hosts" / host.name))
    return Fleet(Project(folder, patch))
