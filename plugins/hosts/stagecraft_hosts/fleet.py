"""The environment's hosts as one store: everything is asked of and written to all of them at once.

A write counts when enough hosts have it on their disks (``quorum``); a host that does not answer is left aside, named, and brought
up to date when it answers again, before anything new is written to it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, TypeVar

from stagecraft_hookspecs.errors import Interrupted, ProviderError, StagecraftError
from stagecraft_hookspecs.values import LOCAL, Command

from stagecraft_hosts import scripts
from stagecraft_hosts.names import Version

if TYPE_CHECKING:
    from stagecraft_hookspecs.context import Context
    from stagecraft_hookspecs.values import Host, Release, Result

T = TypeVar("T")

#: Seconds that a host has for one script, and until a host that failed is tried again.
DEADLINE, AGAIN = 20.0, 60.0


class Fleet:
    """Reach the hosts of one environment, and remember which of them has what.

    Attributes:
        hosts: Sorted by name.
        guard: Held while the hosts are written to and what they have is remembered.
        slots: Host to slot to the names of the files there, as last seen or written.
        numbers: Slot to the highest number that this run gave a version of it, whether or not it was kept.
        rows: Hash to release, of records that were read.
    """

    def __init__(self, hosts: tuple[Host, ...]) -> None:
        self.hosts = hosts
        self.guard = threading.RLock()
        self.slots: dict[Host, dict[str, frozenset[str]]] = {}
        self.numbers: dict[str, int] = {}
        self.rows: dict[str, Release] = {}
        self._away: dict[Host, float] = {}
        self._said: set[str] = set()

    @property
    def quorum(self) -> int:
        """Return on how many hosts a write must be durable: the majority; of two hosts, one."""
        return 1 if len(self.hosts) < 3 else len(self.hosts) // 2 + 1

    @property
    def certain(self) -> int:
        """Return how many hosts must answer so that one of them surely has the newest write."""
        return len(self.hosts) - self.quorum + 1

    def forget(self) -> None:
        """Look at the hosts again before the next write: another run may have written meanwhile."""
        with self.guard:
            self.slots.clear()
            self._away.clear()

    def due(self, ctx: Context) -> tuple[Host, ...]:
        """Return the hosts to try now: all but those that failed a moment ago, unless too few are left without them."""
        now = ctx.monotonic()
        due = tuple(h for h in self.hosts if self._away.get(h, now) <= now)
        return due if len(due) >= self.quorum else self.hosts

    def lost(self, ctx: Context, host: Host, error: StagecraftError) -> None:
        """Leave a host aside for a while; what it has is unknown from here on."""
        self.aside(ctx, host)
        self.say(ctx, f"{host.name} misses what is recorded now: {error.message}", host)

    def aside(self, ctx: Context, host: Host) -> None:
        """Do not try a host for a while."""
        self._away[host] = ctx.monotonic() + AGAIN
        self.slots.pop(host, None)

    def say(self, ctx: Context, message: str, host: Host = LOCAL) -> None:
        """Warn, once."""
        if message not in self._said:
            self._said.add(message)
            ctx.log(message, level="warning", host="" if host == LOCAL else host.name)

    def each(self, hosts: Iterable[Host], work: Callable[[Host], T]) -> dict[Host, T | StagecraftError]:
        """Do the work for each host at once; return what came of it, or the error. Raises Interrupted."""
        hosts = tuple(hosts)

        def one(host: Host) -> T | StagecraftError:
            try:
                return work(host)
            except StagecraftError as error:
                return error

        if len(hosts) < 2:
            outcomes = {host: one(host) for host in hosts}
        else:
            from concurrent.futures import ThreadPoolExecutor

            with ThreadPoolExecutor(len(hosts)) as pool:
                outcomes = dict(zip(hosts, pool.map(one, hosts), strict=True))
        for outcome in outcomes.values():
            if isinstance(outcome, Interrupted):
                raise outcome
        return outcomes

    def gather(self, ctx: Context, what: str, work: Callable[[Host], T]) -> dict[Host, T]:
        """Ask every host at once; return what those answer that do, and say what is uncertain for the others' silence.

        Raises:
            ProviderError: No host answers.
        """
        now = ctx.monotonic()
        # a host that is down costs its deadline once, not with every question
        asked = tuple(h for h in self.hosts if self._away.get(h, now) <= now)
        outcomes = self.each(asked, work)
        if all(isinstance(outcome, StagecraftError) for outcome in outcomes.values()):
            outcomes |= self.each([h for h in self.hosts if h not in asked], work)
        found = {host: answer for host, answer in outcomes.items() if not isinstance(answer, StagecraftError)}
        failed = {host: error for host, error in outcomes.items() if isinstance(error, StagecraftError)}
        if not found:
            raise unreachable(f"no host of {ctx.environment} tells {what}", failed)
        for host, error in failed.items():
            self.aside(ctx, host)
            self.say(ctx, f"{host.name} does not tell its part of the history: {error.message}", host)
        if len(found) < self.certain:
            here, total = len(found), len(self.hosts)
            self.say(ctx, f"{here} of {total} hosts tell the history, and the others may know a newer one")
        return found

    def survey(self, ctx: Context, patterns: tuple[str, ...]) -> dict[Host, Mapping[str, str]]:
        """Return path to SHA-256 of the matching files on each host that answers; see ``gather``."""
        return self.gather(ctx, "its history", lambda host: _survey(ctx, host, patterns))

    def accept(self, ctx: Context, what: str, outcomes: Mapping[Host, object]) -> None:
        """Leave aside the hosts that failed to write; raises ProviderError unless enough of the others have it."""
        failed = {host: error for host, error in outcomes.items() if isinstance(error, StagecraftError)}
        written = len(outcomes) - len(failed)
        for host, error in failed.items():
            self.lost(ctx, host, error)
        if written < self.quorum:
            need = f"{self.quorum} of {len(self.hosts)}" if len(self.hosts) > 1 else "it"
            raise unreachable(f"{what} is kept on {written} hosts, and {need} must have it", failed)


def run(ctx: Context, host: Host, script: str, *args: str, stdin: bytes | None = None) -> Result:
    """Run a script in the state's folder of a host. Raises ProviderError, with what the script said."""
    argv = ("sh", "-c", script, "stagecraft-state", home(ctx, host), *args)
    result = ctx.machine(host).run(Command(argv, stdin=stdin, timeout=DEADLINE), check=False)
    if result.ok or result.exit_code == scripts.CONFLICT:
        return result
    said = (result.stderr.strip() or f"exit code {result.exit_code}").splitlines()[-1]
    raise ProviderError(f"the state on {host.name} refuses: {said}", hint=_advice(said, host))


def change(ctx: Context, host: Host, script: str, *args: str, stdin: bytes) -> bool:
    """Run a script that changes something; return False when the host has something other than expected."""
    result = run(ctx, host, script, *args, stdin=stdin)
    if result.exit_code == scripts.CONFLICT:
        return False
    if result.stdout.split()[-1:] != [scripts.DONE]:
        raise ProviderError(
            f"the state on {host.name} was not written: it answered {result.stdout[-80:].strip()!r}",
            hint=f"see whether `sh` on {host.name} is a POSIX shell",
        )
    return True


def home(ctx: Context, host: Host) -> str:
    """Return the state's folder on a host."""
    return f"{ctx.home(host)}/state"


def unreachable(what: str, failed: Mapping[Host, StagecraftError]) -> ProviderError:
    """Return the error that names each host's reason."""
    first = next(iter(failed.values()), None)
    return ProviderError(
        what + (f": {first.message}" if len(failed) == 1 and first else ""),
        hint=(first.hint if first and first.hint else "see `stagecraft doctor`"),
        detail="\n".join(f"{host.name}: {error.message}" for host, error in failed.items()) if len(failed) > 1 else "",
    )


def versions(seen: Mapping[str, str]) -> dict[str, dict[Version, str]]:
    """Return slot to version to the hash that its content has, of one host's files."""
    from stagecraft_hosts.names import parse

    found: dict[str, dict[Version, str]] = {}
    for path, actual in seen.items():
        if version := parse(path):
            found.setdefault(version.slot, {})[version] = actual
    return found


def _survey(ctx: Context, host: Host, patterns: tuple[str, ...]) -> Mapping[str, str]:
    for last in (False, False, True):
        try:
            text = run(ctx, host, scripts.SURVEY, *patterns).stdout
            break
        except ProviderError as error:
            # a writer may replace a file between its name and its content being read
            if last or "o such file" not in error.message:
                raise
    found = {}
    for line in text.splitlines():
        actual, separator, path = line.partition("  ")
        if not separator or len(actual.lstrip("\\")) != 64:
            raise ProviderError(
                f"the state on {host.name} answers {line[:80]!r}, which is no checksum",
                hint=f"see what the login shell on {host.name} prints by itself",
            )
        found[path] = actual.lstrip("\\")
    return found


def _advice(said: str, host: Host) -> str:
    text = said.lower()
    if "no space" in text or "quota" in text:
        return f"free space on {host.name}, then run the command again; what was saved before is intact"
    if "read-only" in text:
        return f"mount the disk of {host.name} writable, then run the command again"
    if "permission" in text:
        return f"give the login user of {host.name} access to it"
    if "not found" in text:
        return f"install coreutils or BusyBox on {host.name}"
    return f"see `stagecraft doctor` and the disk of {host.name}"
