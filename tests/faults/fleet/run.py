"""Run one case: break what it says where it says, judge how it ends, follow the report, and deploy once more."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from tests.testbed import faults, handles
from tests.testbed.handles import TestHost
from tests.testbed.hosts import Spec

from . import verdict
from .breaking import broken, freeze, signalled
from .cases import CLIENT, Case
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
TLS = "web: {proxy: {domains: [shop.test], tls: given, certificate: cert.pem, key: key.pem}}"
PEM = "-----BEGIN {0}-----\nbm90IGEga2V5\n-----END {0}-----\n"


class Failed(Exception):
    """A case ended in no allowed state; says why."""


@dataclass
class Outcome:
    """How a case ended.

    Attributes:
        verdict: `old`, `new`, `report` or `failed`.
        why: Of a failed one, what was wrong.
        followed: The command that a report named.
        seconds: From the fault until one release served everywhere, the fault being gone by then.
        late: Whether the command ended only after the fault had gone.
        output: What commands said, for one that failed.
    """

    case: str
    verdict: str = "failed"
    why: str = ""
    followed: str = ""
    seconds: float = 0.0
    code: int | None = None
    late: bool = False
    output: list[str] = field(default_factory=list)


def run(case: Case, site: Site, number: int) -> Outcome:
    """Run a case on a site whose last release serves, or that has none; afterwards the next may come, unless it failed."""
    outcome = Outcome(case.id)
    try:
        _Run(case, site, number, outcome).run()
    except Failed as failed:
        outcome.verdict, outcome.why = "failed", str(failed)
    except Exception as error:  # the harness's own
        outcome.verdict, outcome.why = "failed", f"harness: {error!r}"
    if outcome.verdict != "failed":
        outcome.output.clear()
    return outcome


def renew(site: Site, version: str) -> None:
    """Make hosts whole and empty, and deploy a first release."""
    for host in site.hosts:
        faults.heal(host)
    site.forget()
    site.prepare(version)
    code, said = site.call("deploy", "-v", version)
    if code or verdict.serves(site, version)[0] is None:
        raise Failed(f"the first deploy ended with {code}\n{said}")
    site.served.append(version)
    site.usual.update(verdict.usual(site))


class _Run:
    def __init__(self, case: Case, site: Site, number: int, outcome: Outcome) -> None:
        self.case, self.site, self.outcome = case, site, outcome
        self.host = site.hosts[case.host - 1]
        self.version, self.last = f"v{number}", f"v{number}-last"
        self.pids: list[int] = []
        self.extra: TestHost | None = None

    def run(self) -> None:
        old, new, words = self._prepared()
        began, output = self._broken(words)
        version, seen = verdict.serves(self.site, old, new)
        self.outcome.verdict = "old" if version == old else "new"
        if version is None:
            version = self._follow(old, new, words, output, seen)
        elif version == old != new and self.outcome.code == 0:
            raise Failed("the command ended with 0, and the old release serves")
        self.outcome.seconds = round(time.monotonic() - began, 1)
        if version == new and new not in self.site.served[-1:]:
            self.site.served.append(new)
        self._once_more()

    def _prepared(self) -> tuple[str, str, tuple[str, ...]]:
        """Write what the case deploys; return what serves, what is to serve, and the command."""
        site, case = self.site, self.case
        if case.command == "first":
            for host in site.hosts:
                faults.heal(host)
            site.forget()
        old = site.served[-1] if site.served else verdict.NOTHING
        if case.command == "rollback":
            if len(site.served) < 2 or site.served[-2] == old:
                self._deploy(f"{self.version}-first")
                old = site.served[-1]
            (site.folder / "here").unlink(missing_ok=True)
            (site.folder / "go").unlink(missing_ok=True)
            return old, site.served[-2], ("rollback",)
        wanted: dict[str, Any] = {}
        if case.command == "broken":
            wanted["broken"] = ("start", "health")[case.host % 2]
        if case.fault == "port-taken" and case.command == "deploy":
            wanted["port"] = 8081
        if case.fault == "proxy-rejects":
            wanted["proxy"] = TLS
            site.write("cert.pem", PEM.format("CERTIFICATE"))
            site.write("key.pem", PEM.format("PRIVATE KEY"))
        if case.fault.startswith("registry"):
            closed = site.registries()[1]
            wanted["registry"] = (
                f", registry: {{url: {closed.address}/{site.name}, username: {closed.user}, password: FAULT_TOKEN}}"
            )
        site.prepare(self.version, **wanted)
        return old, self.version, ("deploy", "-v", self.version)

    def _broken(self, words: tuple[str, ...]) -> tuple[float, str]:
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
        if "Traceback" in said or "fault of Stagecraft" in said:
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
        status = "completed" if case.moment == "end" else "running"
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

    def _follow(self, old: str, new: str, words: tuple[str, ...], said: str, seen: str) -> str:
        """Run the command that the report names, then judge again."""
        self.outcome.output.append(f"before it was followed: {seen}")
        beside = (*CLIENT, "second-deployer", "overtaken", "none")
        if self.case.fault not in beside and not re.search(rf"\b{self.host.name}\b", said):
            raise Failed(f"mixed, and the report does not name {self.host.name}: {seen}")
        following = verdict.next_command(said, words)
        if not following:
            raise Failed(f"mixed, and the report names no next command: {seen}")
        self.outcome.verdict, self.outcome.followed = "report", " ".join(following)
        code, answer = self.site.call(*following)
        self.outcome.output.append(f"$ {' '.join(following)}\n{answer}\n[{code}]")
        version, seen = verdict.serves(self.site, old, new)
        if code or version is None:
            raise Failed(f"the next command, `{' '.join(following)}`, ended with {code}: {seen}")
        return version

    def _once_more(self) -> None:
        """Deploy again without a fault: it must work, and leave nothing lying about.

        What could not be brought is brought now; what is there already is deployed as it is.
        """
        serves = self.site.served[-1:] == [self.version]
        self._deploy(self.version if serves else self.last)
        if not self.site.usual:
            self.site.usual.update(verdict.usual(self.site))
        if found := verdict.leftovers(self.site, self.pids):
            raise Failed(f"left behind: {'; '.join(found[:6])}")

    def _deploy(self, version: str) -> None:
        self.site.prepare(version)
        code, said = self.site.call("deploy", "-v", version)
        self.outcome.output.append(f"$ deploy -v {version}\n{said}\n[{code}]")
        if code:
            raise Failed(f"a further deploy ended with {code}")
        served, seen = verdict.serves(self.site, version)
        if served is None:
            raise Failed(f"a further deploy ended with 0: {seen}")
        if self.site.served[-1:] != [version]:
            self.site.served.append(version)

    def _add_host(self, stack: ExitStack) -> None:
        """Have the environment name one host more, without an engine or with an old one."""
        engine = "" if self.case.fault == "host-without-engine" else "20.10"
        layout = self.site.hosts[0].layout
        (self.extra,) = handles.bring_up(layout, Spec(200 + self.site.hosts[0].spec.number, engine=engine))
        stack.callback(handles.take_down, self.extra)
        config = (self.site.folder / "stagecraft.yml").read_text()
        named = f", {{name: {self.extra.name}, address: {self.extra.address}, user: {self.extra.user}}}]"
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
