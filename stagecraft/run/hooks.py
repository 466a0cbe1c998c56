"""The project's own hooks without packaging: executables under ``.stagecraft/hooks/<phase>-<before|after|failed>``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from stagecraft_hookspecs.errors import CommandFailed, ProviderError, StagecraftError, TimedOut, UserError
from stagecraft_hookspecs.values import Command, Phase

if TYPE_CHECKING:
    from stagecraft_hookspecs.values import Release

    from stagecraft.context import RunContext

FOLDER = ".stagecraft/hooks"
#: Seconds after which a hook is ended.
TIMEOUT = 600.0


def run(ctx: RunContext, release: Release, phase: Phase, moment: str) -> None:
    """Run the hook of a phase's ``before`` or ``after``, if there is one; its failure is the phase's failure."""
    path = ctx.root / FOLDER / f"{phase.value}-{moment}"
    if not path.exists():
        return
    name = path.name
    if not path.is_file():
        raise UserError(f"hook {name} is not a file", hint=f"put a script or a program at {FOLDER}/{name}")
    if not os.access(path, os.X_OK):
        raise UserError(f"hook {name} is not executable", hint=f"chmod +x {FOLDER}/{name}")
    hint = f"look at {FOLDER}/{name}, then run the command again"
    try:
        result = ctx.machine().run(
            Command((str(path),), env=_environment(release, phase), timeout=TIMEOUT),
            check=False,
            on_line=lambda line: ctx.log(line, service=name),
        )
    except TimedOut as error:
        raise TimedOut(f"hook {name} took longer than {TIMEOUT:g} seconds and was ended", hint=hint) from error
    except ProviderError as error:
        # the system says `No such file or directory` or `Exec format error`, which points whoever wrote a script nowhere
        first = "its first line must name an interpreter that is there, such as #!/bin/sh"
        raise ProviderError(f"hook {name} cannot be run", hint=first) from error
    if not result.ok:
        raise CommandFailed(result, what=f"hook {name}", hint=hint)


def _environment(release: Release, phase: Phase) -> dict[str, str]:
    return {
        "STAGECRAFT_RELEASE": release.id,
        "STAGECRAFT_ENVIRONMENT": release.environment,
        "STAGECRAFT_VERSION": release.version,
        "STAGECRAFT_PHASE": phase.value,
        "STAGECRAFT_PREVIOUS_RELEASE": release.previous_id,
    }


def run_failed(ctx: RunContext, release: Release, phase: Phase) -> None:
    """Run the hook of a phase's failure, best effort: it never replaces the error that it is told of."""
    from stagecraft.machine.scope import Scope

    try:
        run(ctx.within(Scope(deadline=5.0)), release, phase, "failed")
    except StagecraftError as error:
        ctx.log(f"hook {phase.value}-failed failed and is ignored: {error.message}", level="warning")
