"""See who holds an environment's lock on its hosts, and break it: what its holder runs there is ended first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from stagecraft_hookspecs.errors import ProviderError
from stagecraft_hookspecs.state import Holder
from stagecraft_hookspecs.values import Host

from stagecraft.machine.scope import Scope
from stagecraft.remote.files import script
from stagecraft.remote.lease import parse_holder

if TYPE_CHECKING:
    from stagecraft.remote.fleet import Fleet

# Prints the holder when the lock is held: a lock that can be taken for a moment is free.
_LOOK = """cd -- "$1" 2>/dev/null || exit 0
if command -v flock >/dev/null; then [ -e lock ] || exit 0; flock -n lock true && exit 0
else [ -d lock.d ] || exit 0; read -r p <lock.d/pid; kill -0 "$p" 2>/dev/null || exit 0; fi
echo held
[ ! -e holder ] || cat holder"""
# The watchdog ends everything in its order; who still has the lock open after that is ended by name. A lock that was broken
# has no last holder, so that the one from whom it was taken does not take it back.
_BREAK = """cd -- "$1" 2>/dev/null || exit 0
free() {
  if command -v flock >/dev/null; then flock -n lock true; else [ ! -d lock.d ]; fi
}
[ -e lock ] && ! free || exit 0
{ read -r main watch <holder; } 2>/dev/null && kill -HUP "$watch" 2>/dev/null
t=0; while ! free && [ $t -lt 30 ]; do sleep 0.2 2>/dev/null || sleep 1; t=$((t+1)); done
for s in TERM KILL; do
  free && break
  for p in /proc/[0-9]*; do
    [ "${p#/proc/}" = $$ ] || ! ls -l "$p/fd" 2>/dev/null | grep -qF -- "-> $PWD/lock" || kill -$s "${p#/proc/}" 2>/dev/null
  done
  sleep 1
done
free || exit 3
rm -rf holder lock.d
: >lock"""


def holders(fleet: Fleet, homes: Mapping[Host, str], scope: Scope | None = None) -> dict[str, Holder | None]:
    """Return host name to holder for each host whose lock is held; None stands for a holder that left no record."""
    scope = scope or Scope()
    found: dict[str, Holder | None] = {}

    def look(host: Host) -> None:
        result = fleet.machine(host, scope).run_bytes(script(_LOOK, homes[host]))
        said, _, rest = result.out.decode(errors="replace").partition("\n")
        if said == "held":
            found[host.name] = parse_holder(rest.partition("\n")[2])

    fleet.on_each(homes, look)
    return dict(sorted(found.items()))


def release(fleet: Fleet, homes: Mapping[Host, str], scope: Scope | None = None) -> tuple[str, ...]:
    """Break the lock on hosts and return the names of those where it was held; what the holder ran there has ended.

    Raises:
        ProviderError: A process that has it cannot be ended, such as another user's.
    """
    held: Iterable[str] = holders(fleet, homes, scope)
    scope = scope or Scope()

    def free(host: Host) -> None:
        result = fleet.machine(host, scope).run_bytes(script(_BREAK, homes[host]))
        if result.exit_code:
            raise ProviderError(
                f"the lock on {host.name} cannot be broken: a process of another user holds it",
                hint=f"find it there with `sudo fuser -v {homes[host]}/lock` and end it",
            )

    fleet.on_each([host for host in homes if host.name in held], free)
    return tuple(held)
