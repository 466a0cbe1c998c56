"""Gather what a check asks of a host: two questions to the engine at once, then one command."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs
from stagecraft_hookspecs.values import Command

from stagecraft_compose import naming, ports
from stagecraft_compose.parallel import gather

if TYPE_CHECKING:
    from stagecraft_hookspecs.context import Machine

    from stagecraft_compose.site import Site

TIMEOUT = 60.0
#: Print facts, one per line behind its name. Arguments: the engine's folder, the file that remembers Compose's version.
SCRIPT = r"""
root=$1 marker=$2 version=
echo "clock $(date +%s)"
df -Pk "$root" 2>/dev/null | sed -n '2s/^/kilobytes /p'
df -Pi "$root" 2>/dev/null | sed -n '2s/^/inodes /p'
for folder in "${DOCKER_CONFIG:-$HOME/.docker}" /usr/local/lib/docker /usr/local/libexec/docker /usr/lib/docker \
  /usr/libexec/docker; do
  if [ -e "$folder/cli-plugins/docker-compose" ] && [ -s "$marker" ]; then version=$(cat "$marker"); fi
done
[ -n "$version" ] || version=$(docker compose version --short 2>/dev/null)
echo "compose $version"
ls /proc/sys/fs/binfmt_misc 2>/dev/null | sed 's/^/binfmt /'
for table in tcp tcp6; do grep ' 0A ' /proc/net/$table 2>/dev/null | sed 's/^/listener /'; done
exit 0
"""
#: Name the processes that hold sockets: inode, process id, container id or ``-``, name. Arguments: the sockets' inodes.
HOLDER_SCRIPT = r"""
for folder in /proc/[0-9]*; do
  links=$(ls -l "$folder/fd" 2>/dev/null) || continue
  for inode in "$@"; do
    case $links in *"socket:[$inode]"*)
      container=$(grep -o -m 1 -E '[0-9a-f]{64}' "$folder/cgroup" | head -n 1)
      echo "$inode ${folder#/proc/} ${container:--} $(cat "$folder/comm")" ;;
    esac
  done
done
exit 0
"""


@attrs.frozen
class Facts:
    """Hold what is known of a host.

    Attributes:
        info: The engine's ``/info``.
        containers: Every container that runs, of whatever project, as the engine lists them.
        compose: Version of Docker Compose; empty without one.
        kilobytes, inodes: Free where the engine keeps its data; None where that cannot be told.
        skew: Seconds by which the host's clock is ahead of this machine's; None where that cannot be told.
        emulated: Names of the handlers for programs of other architectures.
        listeners: Listening TCP sockets as (address, port, inode).
    """

    info: Mapping[str, Any]
    containers: tuple[Mapping[str, Any], ...] = ()
    compose: str = ""
    kilobytes: int | None = None
    inodes: int | None = None
    skew: float | None = None
    emulated: tuple[str, ...] = ()
    listeners: tuple[tuple[str, int, str], ...] = ()

    @property
    def root(self) -> str:
        """Return the folder in which the engine keeps its data."""
        return str(self.info.get("DockerRootDir") or "/")


def look(site: Site) -> Facts:
    """Ask the host."""
    engine = site.engine
    info, containers = gather(
        [
            lambda: engine.call("ask for its settings", engine.api.info),
            lambda: engine.call("list containers", lambda: engine.api.containers(all=False)),
        ]
    )
    root = str(info.get("DockerRootDir") or "/")
    begun = time.time()
    argv = ("sh", "-c", SCRIPT, "facts", root, naming.version_file(site.home))
    output = site.machine.run(Command(argv, cwd="/", timeout=TIMEOUT), check=False).stdout
    return parse(info, containers, output, (begun + time.time()) / 2)


def parse(info: Mapping[str, Any], containers: Any, output: str, now: float) -> Facts:
    """Return the facts that ``SCRIPT`` printed; ``now`` is this machine's time meanwhile. Pure."""
    said: dict[str, list[str]] = {}
    for line in output.splitlines():
        name, _, value = line.partition(" ")
        said.setdefault(name, []).append(value.strip())
    clock = "".join(said.get("clock", ()))
    return Facts(
        info,
        tuple(containers),
        "".join(said.get("compose", ())),
        _free(said.get("kilobytes", ())),
        _free(said.get("inodes", ())),
        float(clock) - now if clock.isdigit() else None,
        tuple(said.get("binfmt", ())),
        ports.listeners(("\n" + "\n".join(said.get("listener", ())),)),
    )


def _free(lines: Any) -> int | None:
    """Return the fourth column of a line of ``df`` (available blocks or inodes); None where it says ``-``."""
    fields = lines[0].split() if lines else []
    return int(fields[3]) if len(fields) > 3 and fields[3].isdigit() else None


def holders(machine: Machine, inodes: tuple[str, ...]) -> dict[str, tuple[str, str]]:
    """Return socket to (container id or empty, words for who holds it); sockets that we may not look at are left out."""
    argv = ("sh", "-c", HOLDER_SCRIPT, "holders", *inodes)
    output = machine.run(Command(argv, cwd="/", timeout=TIMEOUT), check=False).stdout
    found: dict[str, tuple[str, str]] = {}
    for line in output.splitlines():
        inode, pid, container, name = (*line.split(maxsplit=3), "unknown")[:4]
        found.setdefault(inode, (container.strip("-"), f"process {name} (pid {pid})"))
    return found
