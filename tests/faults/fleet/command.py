"""Run a case's command and break at its place what it names."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from contextlib import ExitStack
from dataclasses import dataclass, field

from tests.testbed import handles
from tests.testbed.handles import TestHost
from tests.testbed.hosts import Spec

from . import verdict
from .breaking import broken, freeze, signalled
from .cases import CLIENT, Case
from .outcome import Failed, Outcome
from .site import Site

MIDDLE = {
    "preflight": 0.1,
    "build": 0.4,
    "pin": 0.05,
    "push": 0.1,
    "proxy": 0.2,
    "prepare": 0.8,
    "switch": 0.4,
    "soak": 0.5,
    "retire": 0.3,
}
"""Seconds after the begin of a step at which its middle is assumed."""
PATIENCE = 100.0
"""Seconds that a command may take with its fault there; afterwards the fault goes and the command gets as long again."""


@dataclass
class Command:
    """The command of a case.

    Attributes:
        version: What a deploy brings.
        pids: Sessions of this machine that it began.
    """

    case: Case
    site: Site
    outcome: Outcome
    version: str
    pids: list[int] = field(default_factory=list)

    @property
    def host(self) -> TestHost:
        """Return the host that is meant."""
        return self.site.hosts[self.case.host - 1]

    def run(self, words: tuple[str, ...]) -> tuple[float, str]:
        """Run the command with the fault; return when it was broken, and what was said, by `status` where the client was killed."""
        site, case = self.site, self.case
        file = site.folder.with_name("output")
        with ExitStack() as around:
            if case.fault.startswith("host-"):
                self._add_host(around)
            with ExitStack() as there:
                fault = broken(case.fault, site, self.host)
                if case.step == "connect" and fault:
                    there.enter_context(fault)
                process = site.begin(*words, stop=self._stop(), output=file)
                self.pids.append(process.pid)
                around.callback(_end, process)
                self._reach(process)
                began = time.monotonic()
                if case.step != "connect" and fault:
                    there.enter_context(fault)
                self._act(process)
                (site.folder / "go").touch()
                self.outcome.late = not _ended(process, PATIENCE)
            # what was broken is whole from here on
            if not _ended(process, PATIENCE):
                self.outcome.output.append(file.read_text(errors="replace"))
                raise Failed(f"the command did not end within {PATIENCE:g} s after the fault was gone")
        said = file.read_text(errors="replace")
        self.outcome.code = process.poll()
        self.outcome.output.append(f"$ {' '.join(words)}\n{said}\n[{self.outcome.code}]")
        if re.search("^Traceback", said, re.MULTILINE):  # one that is indented is the app's, in a diagnosis
            raise Failed("the command showed a traceback")
        self._unlocked()
        if case.fault == "client-killed":
            _, status = site.call("status")
            self.outcome.output.append(f"$ status\n{status}")
            said += status
        return began, said

    def _act(self, process: subprocess.Popen[bytes]) -> None:
        """Do what is done to the command, or beside it."""
        if self.case.fault in CLIENT:
            self._signal(process)
        elif self.case.fault == "second-deployer":
            self._second()
        elif self.case.fault == "overtaken":
            self._overtake(process)

    def _stop(self) -> str:
        """Return what the project's hook waits for."""
        case = self.case
        if case.step == "connect":
            return ""
        name = {"build": "build:web", "push": "push:web", "pin": "pin:worker", "soak": "soak"}.get(
            case.step, f"{case.step}:{self.host.name}"
        )
        end = "failed" if case.command == "broken" else "completed"
        status = end if case.moment == "end" else "running"
        return f"{name}={status}{'' if case.moment == 'middle' else ' hold'}"

    def _reach(self, process: subprocess.Popen[bytes]) -> None:
        """Wait until the command is at the case's step, and there at its moment."""
        if self.case.step == "connect":
            time.sleep(1.0 if self.case.fault in CLIENT else 0.0)
            return
        ends = time.monotonic() + PATIENCE
        while not (self.site.folder / "here").exists():
            if process.poll() is not None or time.monotonic() > ends:
                said = self.site.folder.with_name("output").read_text(errors="replace")
                self.outcome.output.append(said)
                raise Failed("harness: the command never came to the step")
            time.sleep(0.01)
        if self.case.moment == "middle":
            time.sleep(MIDDLE[self.case.step])

    def _signal(self, process: subprocess.Popen[bytes]) -> None:
        try:
            signalled(self.case.fault, process, lambda: bool(verdict.locked(self.site)))
        except ProcessLookupError:
            return  # it had ended by itself
        except TimeoutError as error:
            raise Failed(str(error)) from error

    def _second(self) -> None:
        """Deploy from another checkout meanwhile: it must be refused, and say by whom."""
        other = self.site.laptop()
        code, said = other.call("deploy", "-v", "second")
        self.outcome.output.append(f"$ deploy, from another laptop\n{said}\n[{code}]")
        if code == 0 or "locked" not in said:
            raise Failed(f"a second deployer was not refused: exit code {code}")

    def _overtake(self, process: subprocess.Popen[bytes]) -> None:
        """Freeze the command, let another checkout deploy, and let it go on."""
        try:
            freeze(process, lambda: bool(verdict.locked(self.site)))
        except TimeoutError as error:
            raise Failed(str(error)) from error
        other = self.site.laptop()
        other.prepare(f"{self.version}-other")
        code, said = other.call("deploy", "-v", "other")
        self.outcome.output.append(f"$ deploy, from another laptop\n{said}\n[{code}]")
        version, seen = verdict.serves(self.site, f"{self.version}-other")
        if code or version is None:
            raise Failed(f"the other laptop could not deploy: exit code {code}; {seen}")
        self.site.served.append(version)
        os.killpg(process.pid, signal.SIGCONT)
        _ended(process, PATIENCE)
        version, seen = verdict.serves(self.site, f"{self.version}-other")
        if version is None:
            raise Failed(f"the one that was overtaken did something when it woke up: {seen}")

    def _unlocked(self) -> None:
        ends = time.monotonic() + 15
        while held := verdict.locked(self.site):
            if time.monotonic() > ends:
                raise Failed(f"the lock is held on {', '.join(held)} 15 s after the command ended")
            time.sleep(0.3)

    def _add_host(self, stack: ExitStack) -> None:
        """Have the environment name one host more, without an engine or with an old one."""
        engine = "" if self.case.fault == "host-without-engine" else "20.10"
        layout = self.site.hosts[0].layout
        (extra,) = handles.bring_up(layout, Spec(80 + self.site.hosts[0].spec.number, engine=engine))
        stack.callback(handles.take_down, extra)
        config = (self.site.folder / "stagecraft.yml").read_text()
        named = f", {{name: {extra.name}, address: {extra.address}, user: {extra.user}}}]"
        self.site.write("stagecraft.yml", config.replace("}]", "}" + named, 1))


def _ended(process: subprocess.Popen[bytes], patience: float) -> bool:
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        return False
    return True


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a command that does not end by itself, with all that it started."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
