"""Run one case: break what it says where it says, judge how it ends, follow the report, and deploy once more."""

from __future__ import annotations

import re
import time
from typing import Any

from tests.testbed import faults

from . import verdict
from .cases import CLIENT, Case
from .command import Command
from .outcome import Failed, Outcome
from .site import Site

TLS = "web: {proxy: {domains: [shop.test], tls: given, certificate: cert.pem, key: key.pem}}"
PEM = "-----BEGIN {0}-----\nbm90IGEga2V5\n-----END {0}-----\n"


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
        self.version, self.last = f"v{number}", f"v{number}-last"
        self.command = Command(case, site, outcome, self.version)

    def run(self) -> None:
        old, new, words = self._prepared()
        began, output = self.command.run(words)
        if self.case.fault == "overtaken":
            old = self.site.served[-1]  # what the other laptop brought
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
            usual = dict(site.usual)
            site.forget()
            site.usual.update(usual)
        old = site.served[-1] if site.served else verdict.NOTHING
        if case.command == "rollback":
            # the release before the last may be the same version deployed twice
            former = old
            self._deploy(f"{self.version}-first")
            old = site.served[-1]
            (site.folder / "here").unlink(missing_ok=True)
            (site.folder / "go").unlink(missing_ok=True)
            return old, former, ("rollback",)
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

    def _follow(self, old: str, new: str, words: tuple[str, ...], said: str, seen: str) -> str:
        """Run the command that the report names, then judge again."""
        self.outcome.output.append(f"before it was followed: {seen}")
        beside = (*CLIENT, "second-deployer", "overtaken", "none")
        if self.case.fault not in beside and not re.search(rf"\b{self.command.host.name}\b", said):
            raise Failed(f"mixed, and the report does not name {self.command.host.name}: {seen}")
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
        if found := verdict.leftovers(self.site, self.command.pids):
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
