"""What ``stagecraft doctor`` looks at on hosts, all of them at once. Nothing there is changed."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import attrs
from stagecraft_hookspecs.errors import ProviderError, StagecraftError
from stagecraft_hookspecs.runtime import Runtime, Target
from stagecraft_hookspecs.values import Command

from stagecraft.context import is_remote
from stagecraft.run import leases
from stagecraft.run.checking import Check, guarded
from stagecraft.run.fleet import each

if TYPE_CHECKING:
    from stagecraft_hookspecs.values import Host

    from stagecraft.context import RunContext
    from stagecraft.plan.planner import Planned
    from stagecraft.project import Project

#: Bytes and inodes that should be free where the releases' files lie.
FREE, INODES = 512 << 20, 2000
#: Print facts of a host, one per line behind its name. Argument: the folder that will hold the releases' files.
SCRIPT = r"""
folder=$1
while [ ! -d "$folder" ]; do folder=${folder%/*}; [ -n "$folder" ] || folder=/; done
echo "user $(id -un)"
echo "folder $folder"
df -Pk "$folder" 2>/dev/null | sed -n '2s/^/kilobytes /p'
df -Pi "$folder" 2>/dev/null | sed -n '2s/^/inodes /p'
[ -w "$folder" ] && echo "writable yes"
exit 0
"""
_TIMEOUT = 30.0
#: How an engine words that a registry did not answer at all.
_SILENT = (
    "no such host",
    "connection refused",
    "timeout",
    "deadline exceeded",
    "no route",
    "unreachable",
    "x509",
    "tls",
)


def check_hosts(project: Project, ctx: RunContext, hosts: Sequence[Host], planned: Planned | None) -> Iterator[Check]:
    """Yield the checks of every host, by name; on each they end with the first that hides the rest.

    Args:
        planned: What a deploy would do, for which the host must have room; None when it cannot be planned.
    """
    gathered = each(ctx, hosts, lambda host: list(HostChecks(project, ctx, host, planned)))
    for host in hosts:
        yield from gathered.found.get(host.name, ())
    for failure in gathered.failures:
        yield Check(f"{ctx.environment}: {failure.host}", "failed", failure.error.message, failure.error.hint)


@attrs.frozen
class HostChecks:
    """Look at one host; iterate over it for the checks."""

    project: Project
    ctx: RunContext
    host: Host
    planned: Planned | None

    def __iter__(self) -> Iterator[Check]:
        """Yield the checks."""
        if is_remote(self.host):
            facts: dict[str, str] = {}
            reached = self._check("reach", functools.partial(self._reach, facts))
            yield reached
            if reached.verdict == "failed":
                return
            yield self._check("disk", lambda: _room(facts, self.host.name))
            yield self._clock()
            yield guarded(f"{self.ctx.environment}: lock on {self.host.name}", self._lock)
        engine = self._check("engine", self._engine) if self.project.runtime_class.images else None
        if engine:
            yield engine
            if engine.verdict == "failed":
                return
        yield guarded(f"{self.ctx.environment}: runtime on {self.host.name}", self._runtime)
        if type(self.project.runtime).preflight is not Runtime.preflight and self.planned is not None:
            yield self._check("preflight", self._preflight)
        if engine and self.project.config.registry:
            yield self._check("registry", self._registry)

    def _check(self, what: str, look: Callable[[], str]) -> Check:
        return guarded(f"{self.ctx.environment}: {what} of {self.host.name}", look)

    def _reach(self, facts: dict[str, str]) -> str:
        machine = self.ctx.machine(self.host)
        command = Command(("sh", "-c", SCRIPT, "facts", self.ctx.home(self.host)), cwd="/", timeout=_TIMEOUT)
        lines = machine.run(command).stdout.splitlines()
        facts.update((name, value) for name, _, value in (line.partition(" ") for line in lines))
        return f"{facts.get('user', '?')} at {self.host.address or self.host.name}"

    def _clock(self) -> Check:
        from stagecraft.run.clock import TOLERATED, skew

        what = f"{self.ctx.environment}: clock of {self.host.name}"
        try:
            off = skew(self.ctx, self.host)
        except StagecraftError as error:
            return Check(what, "warning", error.message, error.hint)
        if abs(off) <= TOLERATED:
            return Check(what, "ok", f"within {TOLERATED:g} s of this one")
        found = f"{abs(off):.0f} s {'ahead' if off > 0 else 'behind'}"
        return Check(what, "warning", found, "set it with NTP, as root there: timedatectl set-ntp true")

    def _lock(self) -> str:
        holder = leases.held_on(self.ctx, self.host)
        return f"held by {leases.describe(holder)}" if holder else "free"

    def _engine(self) -> str:
        try:
            version = self.ctx.machine(self.host).docker().version()
        except StagecraftError:
            self._preflight()  # the runtime may know better what is wrong with it
            raise
        except Exception as error:
            raise ProviderError(f"the engine does not answer: {error}", hint="try there: docker info") from error
        return f"Docker Engine {version.get('Version', '?')}, API {version.get('ApiVersion', '?')}"

    def _runtime(self) -> str:
        with self.project.blamed():
            instances = self.project.runtime.observe(self.ctx, self.host)
        active = sum(i.active and i.state == "running" for i in instances)
        return f"{self.project.config.providers['runtime'].name} answers, {active} instances run"

    def _preflight(self) -> str:
        if self.planned is not None:
            deployment, draft = self.planned.deployment, self.planned.draft
            target = Target(self.host, deployment, draft.files.get(self.host.name, {}), draft.policies)
            with self.project.blamed():
                self.project.runtime.preflight(self.ctx, target)
        return "it can take a release: versions, room, ports"

    def _registry(self) -> str:
        from stagecraft.images.credentials import credentials
        from stagecraft.images.deliveries import login_of

        registry = self.project.config.registry.partition("/")[0]
        account = credentials(self.ctx, f"{registry}/x", login_of(self.ctx))
        api: Any = self.ctx.machine(self.host).docker().api
        try:
            if account.get("username") and account.get("password"):
                api.login(account["username"], account["password"], registry=registry, reauth=True)
                return f"{registry} takes {account['username']}"
            api.inspect_distribution(f"{registry}/stagecraft-doctor")
        except Exception as error:
            said = " ".join(str(getattr(error, "explanation", None) or error).split())
            if account.get("password") or any(words in said.lower() for words in _SILENT):
                raise ProviderError(
                    f"{registry}, asked by this host's engine: {said}",
                    hint=f"see from there whether it answers; here: docker login {registry}",
                ) from error
        return f"{registry} answers"


def _room(facts: dict[str, str], host: str) -> str:
    folder = facts.get("folder", "/")
    free, inodes = _fourth(facts.get("kilobytes", "")), _fourth(facts.get("inodes", ""))
    if "writable" not in facts:
        raise ProviderError(f"{facts.get('user', '?')} may not write {folder}", hint=f"chown it there, on {host}")
    if free is not None and free << 10 < FREE:
        raise ProviderError(
            f"only {free >> 10} MB free in {folder}", hint="free some: `stagecraft prune`, docker system df"
        )
    if inodes is not None and inodes < INODES:
        raise ProviderError(
            f"only {inodes} inodes free in {folder}", hint="remove small files there: df -i shows where"
        )
    return f"{'?' if free is None else free >> 10} MB free in {folder}"


def _fourth(line: str) -> int | None:
    """Return the fourth column of a line of ``df``; None where it tells nothing, as of inodes on some file systems."""
    fields = line.split()
    return int(fields[3]) if len(fields) > 3 and fields[3].isdigit() and fields[1] != "0" else None
