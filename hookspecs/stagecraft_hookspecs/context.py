"""What a provider is given to do its work with. The kernel implements these Protocols; a test can implement them in a few lines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from stagecraft_hookspecs.values import LOCAL, Command, File, Host, Image, Result, Secret

if TYPE_CHECKING:
    from docker import DockerClient


class Machine(Protocol):
    """Act on one host. This machine and a remote one look the same."""

    @property
    def host(self) -> Host:
        """Name the host."""
        ...

    def run(self, command: Command, *, check: bool = True, on_line: Callable[[str], None] | None = None) -> Result:
        """Run a command and wait for it.

        Args:
            check: Raise ``CommandFailed`` on a non-zero exit code.
            on_line: Called with each line of output (both streams, without its newline) as it comes.

        Raises:
            CommandFailed: It exited non-zero and ``check`` is set.
            TimedOut: Its deadline passed; its process group was ended.
            ToolMissing: The executable is not there.
            Interrupted: The run was interrupted; its process group was ended.
        """
        ...

    def read(self, path: str) -> bytes:
        """Return a file's bytes; raises ``NotFound`` without one."""
        ...

    def write(self, path: str, data: bytes, *, mode: int = 0o644) -> None:
        """Write a file in full or not at all (temporary file, fsync, rename), making its folders. Safe to repeat."""
        ...

    def upload(self, files: Mapping[str, File], folder: str, *, exact: bool = False) -> tuple[str, ...]:
        """Write many files below ``folder``, each in full or not at all, sending only those that differ; return their paths.

        Args:
            files: Relative path to content and mode; secret files get mode 0600.
            exact: Remove every other file below ``folder``, and folders that are then empty.

        Raises:
            UserError: A path leaves the folder.
            ProviderError: The disk is full or read-only, or permission is denied; what was there stands.
        """
        ...

    def remove(self, path: str) -> None:
        """Remove a file or a folder with all below it; does nothing without one."""
        ...

    def docker(self) -> DockerClient:
        """Return a client of the host's container engine, opened once; raises ``ToolMissing`` when it does not answer."""
        ...


class Context(Protocol):
    """Reach the world: machines, secrets, log, progress. The pure half of a provider never gets one."""

    @property
    def root(self) -> Path:
        """Return the project's folder."""
        ...

    @property
    def project(self) -> str:
        """Return the project's name."""
        ...

    @property
    def environment(self) -> str:
        """Return the environment's name."""
        ...

    @property
    def hosts(self) -> tuple[Host, ...]:
        """Return the environment's hosts, sorted by name; ``LOCAL`` alone where it names none."""
        ...

    def machine(self, host: Host = LOCAL) -> Machine:
        """Return the machine ``host``, connecting on first use."""
        ...

    def home(self, host: Host = LOCAL) -> str:
        """Return the absolute folder on ``host`` that belongs to this project's environment; made on the first write."""
        ...

    def image(self, image: Image, host: Host = LOCAL) -> str:
        """Have an image, known by its digest, on a host's engine and return the id that it has there.

        One that is there already costs a question. Otherwise it is pulled by digest with credentials that stay on this machine
        or, without a registry, sent from this machine's engine: the blobs that the host lacks.

        Raises:
            ProviderError: It cannot be had: the registry refuses, this engine has it no more, the host has no room.
        """
        ...

    def secret(self, name: str) -> Secret:
        """Return a secret by name; raises ``NotFound`` when no provider has it."""
        ...

    def fill(self, text: str) -> Secret:
        """Return ``text`` with every secret reference in it (``<secret:NAME>``) replaced by the value, as a ``Secret``."""
        ...

    def log(self, message: str, *, level: str = "info", service: str = "", host: str = "") -> None:
        """Say something. ``level`` is ``debug`` (shown with ``--verbose``), ``info``, ``warning`` or ``error``."""
        ...

    def progress(self, message: str, *, service: str = "", host: str = "") -> None:
        """Replace the one line that says what the current operation is doing."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait; raises ``Interrupted`` at once when the run is interrupted."""
        ...

    def monotonic(self) -> float:
        """Return seconds on a clock that never goes back. Tests inject their own."""
        ...

    def oneoff(self, service: str, argv: tuple[str, ...], *, timeout: float = 0.0) -> Result:
        """Run ``argv`` in a one-off instance of a service of the release being deployed, on one host, with its environment.

        Raises:
            CommandFailed: It exited non-zero.
            TimedOut: It took longer than ``timeout`` seconds; it was removed.
        """
        ...
