"""Test doubles for plugin authors: a folder in memory, a machine with scripted answers, a context made of them.

They implement the contract's Protocols in full, so that what passes with them type-checks against the real ones.
"""

from __future__ import annotations

import fnmatch
import re
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stagecraft_hookspecs.errors import CommandFailed, NotFound, ToolMissing, UserError
from stagecraft_hookspecs.values import LOCAL, Command, File, Host, Image, Result, Secret

if TYPE_CHECKING:
    from docker import DockerClient

_REFERENCE = re.compile(r"<secret:([^<>\s]+)>")


class MemoryFolder:
    """Be a project's folder in memory: path to content, text or bytes. Paths are checked as the kernel checks them."""

    def __init__(self, files: Mapping[str, str | bytes] | None = None) -> None:
        self.files = {path: c.encode() if isinstance(c, str) else c for path, c in (files or {}).items()}

    def exists(self, path: str) -> bool:
        """Tell whether a file or a folder is there."""
        wanted = _plain(path)
        return wanted in ("", ".") or any(f == wanted or f.startswith(f"{wanted}/") for f in self.files)

    def read(self, path: str) -> bytes:
        """Return a file's bytes; raises NotFound without one."""
        wanted = _plain(path)
        if wanted not in self.files:
            raise NotFound("file", path, self.files)
        return self.files[wanted]

    def tree(self, path: str, limit: int) -> Mapping[str, File]:
        """Return the files at or below a path, by path, sorted; scripts (``#!``) are executable."""
        wanted = _plain(path)
        found = {f: c for f, c in sorted(self.files.items()) if f == wanted or f.startswith(f"{wanted}/") or not wanted}
        if not found:
            raise NotFound("file", path, self.files)
        if sum(map(len, found.values())) > limit:
            raise UserError(f"{path} is larger than {limit >> 20} MB", hint="is it the folder you meant?")
        return {f: File(c, 0o755 if c.startswith(b"#!") else 0o644) for f, c in found.items()}

    def glob(self, pattern: str) -> tuple[str, ...]:
        """Return matching files, sorted; ``**`` crosses folders, ``*`` does not."""
        wanted = _plain(pattern).split("/")
        return tuple(sorted(path for path in self.files if _matches(path.split("/"), wanted)))

    def write_to(self, root: Path) -> None:
        """Write every file below a folder on disk, for the effectful half of a provider."""
        for path, content in self.files.items():
            target = root / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)


class FakeMachine:
    """Be a machine that runs nothing: it records commands, answers as told, and keeps files in memory.

    Args:
        answers: First words of a command to its answer; the longest match wins. A command without one succeeds silently.
        files: Path to content.
        engine: What ``docker()`` returns; without it there is no engine.

    Attributes:
        commands: Every command that was run, in order.
        files, modes: What was written, by path.
        removed: Every path that was removed.
    """

    def __init__(
        self,
        answers: Mapping[tuple[str, ...], Any] | None = None,
        *,
        files: Mapping[str, bytes] | None = None,
        engine: Any = None,
        host: Host = LOCAL,
    ) -> None:
        self.answers = dict(answers or {})
        self.files, self.modes = dict(files or {}), dict.fromkeys(files or {}, 0o644)
        self.commands: list[Command] = []
        self.removed: list[str] = []
        self._engine, self._host = engine, host

    @property
    def host(self) -> Host:
        """Name the host."""
        return self._host

    def run(self, command: Command, *, check: bool = True, on_line: Callable[[str], None] | None = None) -> Result:
        """Record the command and answer as told; a non-zero exit code raises CommandFailed when ``check`` is set."""
        self.commands.append(command)
        answer = self._answer(command)
        if callable(answer):
            answer = answer(command)
        if isinstance(answer, BaseException):
            raise answer
        result = answer if isinstance(answer, Result) else Result(command.argv, 0, answer)
        for line in (result.stdout + result.stderr).splitlines() if on_line else ():
            assert on_line is not None
            on_line(line)
        if check and not result.ok:
            raise CommandFailed(result)
        return result

    def read(self, path: str) -> bytes:
        """Return a file's bytes; raises NotFound without one."""
        if path not in self.files:
            raise NotFound("file", path, self.files)
        return self.files[path]

    def write(self, path: str, data: bytes, *, mode: int = 0o644) -> None:
        """Keep a file."""
        self.files[path], self.modes[path] = data, mode

    def upload(self, files: Mapping[str, File], folder: str, *, exact: bool = False) -> tuple[str, ...]:
        """Keep the files that differ, and with ``exact`` only those that were given."""
        tree = {f"{folder}/{path}": file for path, file in files.items()}
        modes = {path: 0o600 if file.secret else file.mode for path, file in tree.items()}
        for path in [f for f in self.files if exact and f.startswith(f"{folder}/") and f not in tree]:
            self.remove(path)
        changed = [p for p, f in sorted(tree.items()) if (self.files.get(p), self.modes.get(p)) != (f.data, modes[p])]
        for path in changed:
            self.write(path, tree[path].data, mode=modes[path])
        return tuple(path.removeprefix(f"{folder}/") for path in changed)

    def remove(self, path: str) -> None:
        """Forget a file, or every file below a folder."""
        self.removed.append(path)
        for known in [f for f in self.files if f == path or f.startswith(f"{path}/")]:
            del self.files[known], self.modes[known]

    def docker(self) -> DockerClient:
        """Return the engine that was given; raises ToolMissing without one."""
        if self._engine is None:
            raise ToolMissing("there is no container engine here", hint="give FakeMachine an `engine`")
        return self._engine  # type: ignore[no-any-return]

    @property
    def argvs(self) -> list[tuple[str, ...]]:
        """Return the argv of every command that was run."""
        return [command.argv for command in self.commands]

    def _answer(self, command: Command) -> Any:
        fitting = [words for words in self.answers if command.argv[: len(words)] == words]
        return self.answers[max(fitting, key=len)] if fitting else ""


class FakeContext:
    """Be a context whose machines, secrets and clock a test sets, and whose log it can read.

    Args:
        root: The project's folder on disk; only providers that touch it need one.
        machine: What every host is; a mapping gives each host's name its own.
        secrets: Name to value.
        hosts: The environment's hosts.
        oneoff: Answers one-off runs, as a machine answers commands.
        real_time: Whether ``sleep`` waits; otherwise it moves the clock and returns.

    Attributes:
        logged: ``(level, message)`` of every log line.
        progressed: Every progress message.
        oneoffs: ``(service, argv, timeout)`` of every one-off run.
    """

    def __init__(
        self,
        root: Path | None = None,
        *,
        machine: Any = None,
        secrets: Mapping[str, str] | None = None,
        project: str = "shop",
        environment: str = "prod",
        hosts: tuple[Host, ...] = (LOCAL,),
        oneoff: Any = "",
        real_time: bool = False,
    ) -> None:
        self._root = root or Path("/nonexistent/project")
        self._project, self._environment = project, environment
        self.hosts = hosts
        self._machines = machine if machine is not None else FakeMachine()
        self.secrets: Mapping[str, str] = secrets if secrets is not None else {}
        self.logged: list[tuple[str, str]] = []
        self.progressed: list[str] = []
        self.oneoffs: list[tuple[str, tuple[str, ...], float]] = []
        self._oneoff, self._real, self._now = oneoff, real_time, 0.0

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

    def machine(self, host: Host = LOCAL) -> Any:
        """Return the host's machine."""
        return self._machines[host.name] if isinstance(self._machines, Mapping) else self._machines

    def home(self, host: Host = LOCAL) -> str:
        """Return the folder of this environment on a host."""
        return str(self._root / ".stagecraft" / "run" / self._environment)

    def image(self, image: Image, host: Host = LOCAL) -> str:
        """Return the image's digest as its id, as if the host's engine had it."""
        return image.digest or image.name

    def secret(self, name: str) -> Secret:
        """Return a secret; raises NotFound for one that was not given."""
        if name not in self.secrets:
            raise NotFound("secret", name, self.secrets)
        return Secret(name, self.secrets[name])

    def fill(self, text: str) -> Secret:
        """Return the text with every reference replaced."""
        return Secret("text", _REFERENCE.sub(lambda found: self.secret(found[1]).reveal(), text))

    def log(self, message: str, *, level: str = "info", service: str = "", host: str = "") -> None:
        """Keep a log line."""
        self.logged.append((level, message))

    def progress(self, message: str, *, service: str = "", host: str = "") -> None:
        """Keep a progress message."""
        self.progressed.append(message)

    def sleep(self, seconds: float) -> None:
        """Wait, or move the clock."""
        self._now += seconds
        if self._real:
            time.sleep(seconds)

    def monotonic(self) -> float:
        """Return seconds."""
        return time.monotonic() if self._real else self._now

    def oneoff(self, service: str, argv: tuple[str, ...], *, timeout: float = 0.0) -> Result:
        """Record a one-off run and answer as told."""
        self.oneoffs.append((service, tuple(argv), timeout))
        return FakeMachine({(): self._oneoff}).run(Command(argv, timeout=timeout))


class FakeSession:
    """Be the session that a command gets.

    Attributes:
        said: Every line for people.
        emitted: Every JSON document.
    """

    def __init__(self, project: str = "shop", *, json: bool = False) -> None:
        self.project, self.json = project, json
        self.said: list[str] = []
        self.emitted: list[Any] = []

    def say(self, text: str = "") -> None:
        """Keep a line."""
        self.said.append(text)

    def emit(self, document: Any) -> None:
        """Keep a document."""
        self.emitted.append(document)


def _plain(path: str) -> str:
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if path.startswith("/") or ".." in parts or "\0" in path:
        raise UserError(f"path {path!r} leaves the project", hint="paths are relative to the project's folder")
    return "/".join(parts)


def _matches(path: list[str], pattern: Iterable[str]) -> bool:
    wanted = list(pattern)
    if not wanted:
        return not path
    if wanted[0] == "**":
        return any(_matches(path[i:], wanted[1:]) for i in range(len(path) + 1))
    return bool(path) and fnmatch.fnmatchcase(path[0], wanted[0]) and _matches(path[1:], wanted[1:])
