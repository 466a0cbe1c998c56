"""Run two registries at the machine's address on the hosts' network: an open one, and one that asks who is there.

They speak HTTP: the hosts' engines and the testbed's own trust the network for that. The same image name works from
the machine and from every host.
"""

from __future__ import annotations

import secrets
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from . import engine, probes, processes, roots, state, switch, tools
from .layout import Layout, TestbedError
from .needs import REGISTRY, REGISTRY_AUTH
from .processes import JAIL

PORTS = {"open": 5000, "closed": 5001}
USER = "stagecraft"
SUITE = "trixie"
PACKAGES = ("apache2-utils", "base-passwd", "coreutils", "docker-registry")
NOBODY = 65534

# $1: the root file system, $2: the registry's folder. Runs in the server's own mount namespace.
PRELUDE = """
root=$1 data=$2; shift 2
mount --rbind /dev "$root/dev"
mount -t proc proc "$root/proc"
mount --bind "$data" "$root/srv"
exec chroot --userspec=65534:65534 "$root" "$@"
"""
CONFIG = """\
version: 0.1
log: {{level: warn, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: /srv/data}}, delete: {{enabled: true}}}}
http: {{addr: "{address}"}}
"""
ACCOUNTS = "auth: {htpasswd: {realm: testbed, path: /srv/htpasswd}}\n"


@dataclass(frozen=True, slots=True)
class Registry:
    """A registry that was brought up, running or not.

    Attributes:
        name: `open` or `closed`.
        address: Host and port, as image names begin with.
        user: Who may use it; empty for the open one.
        password: The password that it was brought up with.
    """

    layout: Layout
    name: str
    address: str
    user: str = ""
    password: str = ""

    @property
    def folder(self) -> Path:
        return self.layout.registry / self.name

    @property
    def url(self) -> str:
        account = f"{self.user}:{self.password}@" if self.user else ""
        return f"http://{account}{self.address}"

    def start(self) -> None:
        """Start the registry unless it runs; what was pushed is still there."""
        if processes.recorded(self.folder / "process.json"):
            return
        log = self.folder / "log"
        command = ["/usr/bin/docker-registry", "serve", "/srv/config.yml"]
        environment = {"PATH": tools.SYSTEM_PATH, "HOME": "/srv", "OTEL_TRACES_EXPORTER": "none"}
        process = processes.start(_inside(self, command), log=log, environment=environment)
        processes.record(process, self.folder / "process.json")
        processes.wait_ready(f"the {self.name} registry", process, lambda: self.status() is not None, log)

    def stop(self) -> None:
        """Stop the registry; connections are refused."""
        for process in processes.started_with(str(self.folder)):
            processes.stop(process, grace=0.0)

    def expire(self) -> None:
        """Refuse the password from now on, as one that has expired, until `renew`."""
        self._set_password(secrets.token_hex(12))

    def renew(self) -> None:
        """Accept the password again."""
        self._set_password(self.password)

    def status(self) -> int | None:
        """Return the HTTP status with which it answers `user` and `password`; None if it does not answer."""
        host, _, port = self.address.partition(":")
        return probes.registry_status(host, int(port), self.user, self.password)

    def _set_password(self, password: str) -> None:
        if not self.user:
            raise TestbedError("the open registry knows no passwords", "use the closed one")
        command = [*JAIL, *_inside(self, ["/usr/bin/htpasswd", "-niB", "-C", "5", self.user])]
        done = subprocess.run(command, input=password + "\n", capture_output=True, text=True, check=False)
        if done.returncode:
            raise TestbedError(f"htpasswd failed: {done.stderr.strip()}", f"delete {self.layout.roots} and try again")
        draft = self.folder / "htpasswd.part"
        draft.write_text(done.stdout)
        draft.replace(self.folder / "htpasswd")


def up(layout: Layout, parts: dict[str, state.Part]) -> state.Part:
    """Bring both registries up, empty if they were not up, and let the testbed's engine use them."""
    network = switch.ensure(layout, parts)
    known = opened(layout, parts.get("registry"))
    if not known or any(registry.status() != 200 for registry in known):
        down(layout)
        open_one = Registry(layout, "open", f"{network.machine}:{PORTS['open']}")
        closed = Registry(layout, "closed", f"{network.machine}:{PORTS['closed']}", USER, secrets.token_hex(12))
        environment = {REGISTRY: open_one.address, REGISTRY_AUTH: closed.url}
        parts["registry"] = state.Part(None, environment, {"boot": state.this_boot()})
        state.save(layout, parts)
        for registry in (open_one, closed):
            _prepare(registry)
            registry.start()
    engine.trust(layout, parts.get("docker"), str(network.network))
    return parts["registry"]


def opened(layout: Layout, part: state.Part | None) -> tuple[Registry, ...]:
    """Return the grips on the open registry and the closed one; none if they were not brought up."""
    if part is None:
        return ()
    return from_environment(layout, part.environment)


def from_environment(layout: Layout, environment: dict[str, str]) -> tuple[Registry, Registry]:
    """Return the grips on the open registry and the closed one, as the testbed's variables name them."""
    account, _, address = environment[REGISTRY_AUTH].removeprefix("http://").partition("@")
    user, _, password = account.partition(":")
    return Registry(layout, "open", environment[REGISTRY]), Registry(layout, "closed", address, user, password)


def down(layout: Layout) -> None:
    """End both registries and delete what was pushed."""
    for name in PORTS:
        for process in processes.started_with(str(layout.registry / name)):
            processes.stop(process, grace=0.0)
    shutil.rmtree(layout.registry, ignore_errors=True)


def _prepare(registry: Registry) -> None:
    """Lay out the folder of a new registry."""
    (registry.folder / "data").mkdir(parents=True)
    registry.folder.chmod(0o755)
    shutil.chown(registry.folder / "data", NOBODY, NOBODY)
    (registry.folder / "config.yml").write_text(
        CONFIG.format(address=registry.address) + (ACCOUNTS if registry.user else "")
    )
    if registry.user:
        registry.renew()


def _inside(registry: Registry, command: list[str]) -> list[str]:
    root = roots.build(registry.layout, "registry", SUITE, PACKAGES, (), lambda layout, root: None)
    return ["sh", "-eu", "-c", PRELUDE, "registry", str(root), str(registry.folder), *command]
