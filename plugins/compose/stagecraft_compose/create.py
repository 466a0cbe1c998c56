"""Create containers through Docker Compose, beside the ones that are there, without starting any.

``docker compose create --no-recreate --scale S=N`` leaves existing containers alone and adds what is missing up to
N, so N is what is there plus what is wanted. Every service's scale is given, or compose would remove "surplus" ones:
those kept for a rollback.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from stagecraft_hookspecs.errors import CommandFailed, ProviderError, ToolMissing
from stagecraft_hookspecs.values import Command

from stagecraft_compose import faults, naming
from stagecraft_compose.containers import Assignment

if TYPE_CHECKING:
    from stagecraft_hookspecs.context import Machine

TIMEOUT = 300.0
#: What the user's shell may have set, and must not reach: an orphan is ours to keep or remove, profiles are resolved.
_ENVIRONMENT = {
    "COMPOSE_REMOVE_ORPHANS": "0",
    "COMPOSE_IGNORE_ORPHANS": "1",
    "COMPOSE_PROFILES": "",
    "COMPOSE_FILE": "",
}


def create_command(project: str, folder: str, scales: Mapping[str, int]) -> Command:
    """Build the command; pure."""
    scale = [part for name, count in sorted(scales.items()) for part in ("--scale", f"{name}={count}")]
    files = ("-f", f"{folder}/{naming.CREATE_FILE}")
    base = ("docker", "compose", "--project-directory", folder, "-p", project, *files)
    return Command((*base, "create", "--no-recreate", *scale), cwd=folder, env=_ENVIRONMENT, timeout=TIMEOUT)


def scale(assignment: Assignment) -> int:
    """Return how many containers of a service there will be: all that exist, kept ones included, and the missing ones."""
    return len(assignment.serving) + len(assignment.ready) + len(assignment.others) + assignment.missing


def inherited_volumes(assignment: Assignment) -> dict[str, str]:
    """Return the anonymous volumes that a service's new container takes over, as compose does when it recreates one.

    Only where exactly one container is replaced by one: there is no saying whose volume is whose among several.
    """
    old = [c for c in assignment.others if c.volumes]
    live = [c for c in old if c.running] or old
    return (
        dict(live[-1].volumes) if live and assignment.missing == 1 and len([c for c in old if c.running]) <= 1 else {}
    )


def run_compose(machine: Machine, command: Command, home: str) -> None:
    """Run a compose command that changes something, one at a time per project, and say in one sentence why it
    failed.
    """
    from stagecraft_compose.exclusive import exclusively

    try:
        machine.run(exclusively(command, naming.lock_file(home)))
    except CommandFailed as error:
        text = f"{error.result.stderr}\n{error.result.stdout}".strip()
        if "unknown command" in text or "is not a docker command" in text or "unknown shorthand flag" in text:
            raise ToolMissing(
                f"Docker Compose is not installed on {machine.host.name}", hint="install docker compose 2.20 or later"
            ) from error
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        what = next((line for line in reversed(lines) if "rror" in line), lines[-1] if lines else "no output")
        raise ProviderError(
            f"docker compose could not create the containers on {machine.host.name}: {what}",
            hint=faults.hint(what, "see the compose file that was rendered; `stagecraft plan --verbose` names it"),
            detail="\n".join(lines[-20:]),
        ) from error
