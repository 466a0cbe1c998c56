"""What providers get: the kernel's implementation of the contract's ``Context``."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from stagecraft_hookspecs.context import Machine
from stagecraft_hookspecs.errors import NotFound, UserError
from stagecraft_hookspecs.values import LOCAL, Host, Image, Result, Secret

from stagecraft.images.deliveries import Deliveries, Login
from stagecraft.machine.local import LocalMachine
from stagecraft.machine.scope import Scope

if TYPE_CHECKING:
    from stagecraft.output.report import Reporter
    from stagecraft.output.scrub import Scrubber
    from stagecraft.remote.fleet import Fleet
    from stagecraft.run.signals import Interrupts

_REFERENCE = re.compile(r"<secret:([^<>\s]+)>")


class Secretary:
    """Answer for secrets: what the env files hold, then what the secrets provider has, asked once and remembered.

    Args:
        known: From the environment's files.
        fetch: Asks the provider; names it lacks are left out.
        scrub: Learns every value before anybody gets it.
    """

    def __init__(
        self, known: Mapping[str, Secret], fetch: Callable[[tuple[str, ...]], Mapping[str, Secret]], scrub: Scrubber
    ) -> None:
        self._known = dict(known)
        self._fetch = fetch
        self._scrub = scrub
        self._lock = threading.Lock()
        scrub.add(self._known.values())

    def get(self, name: str) -> Secret:
        """Return a secret; raises NotFound when nobody has it."""
        with self._lock:
            if name not in self._known:
                fetched = self._fetch((name,))
                self._scrub.add(fetched.values())
                self._known.update(fetched)
            if name not in self._known:
                raise NotFound(
                    "secret",
                    name,
                    self._known,
                    hint=f"add {name} to the environment's env_file, or to the store of its secrets provider",
                )
            return self._known[name]


def is_remote(host: Host) -> bool:
    """Tell whether a host is another machine."""
    return host.name != LOCAL.name or bool(host.address)


class RunContext:
    """Implement ``Context`` for one command.

    Args:
        root: The project's folder.
        project, environment: Their names.
        hosts: The environment's hosts, sorted by name.
        scope: Interrupts the work.
        secretary: Answers for secrets.
        reporter: Shows log lines and progress.
        interrupts: Where a signal goes.
        oneoff: Runs a one-off instance of a service; the deploy provides it.
        login: The account of a registry that the configuration names.
    """

    def __init__(
        self,
        root: Path,
        project: str,
        environment: str,
        scope: Scope,
        secretary: Secretary,
        reporter: Reporter,
        interrupts: Interrupts,
        oneoff: Callable[[RunContext, str, tuple[str, ...], float], Result] | None = None,
        hosts: tuple[Host, ...] = (LOCAL,),
        login: Login | None = None,
    ) -> None:
        self._hosts = hosts
        self._root, self._project, self._environment = root, project, environment
        self.scope, self.secretary, self.reporter, self.interrupts = scope, secretary, reporter, interrupts
        self._oneoff = oneoff
        self._local = LocalMachine(root, scope)
        self._remote = _Remote(root, lambda message: self.reporter.log(message))
        self.deliveries = Deliveries(login)
        self.operation = ""

    def within(
        self,
        scope: Scope,
        *,
        operation: str = "",
        oneoff: Callable[[RunContext, str, tuple[str, ...], float], Result] | None = None,
    ) -> RunContext:
        """Return the same context with another scope, for one operation or for cleaning up."""
        inner = RunContext(
            self._root,
            self._project,
            self._environment,
            scope,
            self.secretary,
            self.reporter,
            self.interrupts,
            oneoff or self._oneoff,
            self._hosts,
        )
        inner._local, inner._remote = self._local.within(scope), self._remote
        inner.deliveries = self.deliveries
        inner.operation = operation or self.operation
        return inner

    def lasting(self) -> RunContext:
        """Return the same context out of reach of an interruption: for writing down what has happened."""
        return self.within(Scope(monotonic=self.scope.monotonic))

    @property
    def root(self) -> Path:
        """Return the project's folder."""
        return self._root

    @property
    def project(self) -> str:
        """Return the project's name."""
        return self._project

    @property
    def environment(self) -> str:
        """Return the environment's name."""
        return self._environment

    @property
    def fleet(self) -> Fleet:
        """Return the connections to other machines, which every context of the command shares."""
        return self._remote.fleet()

    def remote_homes(self) -> dict[Host, str]:
        """Return the environment's folder on each of its remote hosts, connecting to all of them at the same time."""
        remote = [host for host in self._hosts if is_remote(host)]
        if remote:
            self.fleet.connect_all(remote)
        return {host: self.home(host) for host in remote}

    def regain(self, name: str, seconds: float) -> None:
        """Take the lease of a host again if it was lost and nobody has had it since; do nothing for one that is held.

        Raises:
            LockHeld: Somebody has or had it.
            ProviderError: The host cannot be reached for so many seconds.
        """
        for host in self._hosts:
            if host.name == name and is_remote(host):
                self.fleet.regain(host, self.scope, seconds)

    def close(self) -> None:
        """Close the connections to other machines; what still runs there is ended. The command's edge calls this."""
        self._remote.close()
        self.deliveries.close()

    @property
    def hosts(self) -> tuple[Host, ...]:
        """Return the environment's hosts."""
        return self._hosts

    def machine(self, host: Host = LOCAL) -> Machine:
        """Return a machine."""
        return self.fleet.machine(host, self.scope) if is_remote(host) else self._local

    def home(self, host: Host = LOCAL) -> str:
        """Return the folder of this environment on a host."""
        if is_remote(host):
            return f"{self.fleet.machine(host, self.scope).home}/.stagecraft/{self._project}/{self._environment}"
        return str(self._root / ".stagecraft" / "run" / self._environment)

    def image(self, image: Image, host: Host = LOCAL) -> str:
        """Have an image on a host's engine and return the id that it has there."""
        from stagecraft.images.deliver import deliver_image

        return deliver_image(self, image, host)

    def secret(self, name: str) -> Secret:
        """Return a secret by name."""
        return self.secretary.get(name)

    def fill(self, text: str) -> Secret:
        """Return the text with every reference replaced."""
        return Secret("text", _REFERENCE.sub(lambda found: self.secret(found[1]).reveal(), text))

    def log(self, message: str, *, level: str = "info", service: str = "", host: str = "") -> None:
        """Say something."""
        self.reporter.log(message, level=level, service=service, host=host)

    def progress(self, message: str, *, service: str = "", host: str = "") -> None:
        """Say what the current operation is doing."""
        self.reporter.progress(self.operation, message, service=service, host=host)

    def sleep(self, seconds: float) -> None:
        """Wait."""
        self.scope.sleep(seconds)

    def monotonic(self) -> float:
        """Return seconds on a clock that never goes back."""
        return self.scope.monotonic()

    def oneoff(self, service: str, argv: tuple[str, ...], *, timeout: float = 0.0) -> Result:
        """Run a command in a one-off instance of a service of the release."""
        if self._oneoff is None:
            raise UserError("no release is being deployed, so there is nothing to run a one-off instance of")
        return self._oneoff(self, service, argv, timeout)


class _Remote:
    """Open the fleet when the first remote host is asked for; commands that stay on this machine import nothing of it."""

    def __init__(self, root: Path, log: Callable[[str], None]) -> None:
        self._root, self._log = root, log
        self._lock = threading.Lock()
        self._fleet: Fleet | None = None

    def fleet(self) -> Fleet:
        with self._lock:
            if self._fleet is None:
                from stagecraft.remote.fleet import Fleet

                self._fleet = Fleet(self._root, self._log)
            return self._fleet

    def close(self) -> None:
        with self._lock:
            fleet, self._fleet = self._fleet, None
        if fleet is not None:
            fleet.close()
