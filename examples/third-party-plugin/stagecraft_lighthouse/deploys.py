"""Hooks: an operation in the plan, a wrapper around the rollout, an observer, and a command that shows what they wrote.

All they see goes to ``.stagecraft/lighthouse/`` in the project, so that there is something to look at.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping
from typing import TYPE_CHECKING, Any

from stagecraft_hookspecs import hookimpl
from stagecraft_hookspecs.commands import CommandLine, Flag
from stagecraft_hookspecs.errors import NotFound, ProviderError
from stagecraft_hookspecs.values import Operation, Phase, Status

if TYPE_CHECKING:
    from stagecraft_hookspecs.context import Context
    from stagecraft_hookspecs.phases import Performer, PhaseRun
    from stagecraft_hookspecs.runtime import Deployment
    from stagecraft_hookspecs.values import Release

FOLDER = ".stagecraft/lighthouse"
ACTION = "lighthouse.announce"


@hookimpl
def stagecraft_plan(deployment: Deployment) -> list[Operation]:
    """Plan one operation. What a deploy does stands in its plan, so it is shown, ordered, journalled and repeated after a crash."""
    names = [service.name for service in deployment.services]
    return [
        Operation(
            "announce",
            Phase.FINALIZE,
            ACTION,
            "lighthouse",
            tuple(names),
            description=f"announce the release of {', '.join(names)}",
            inputs={"services": names},
        )
    ]


def announce(operation: Operation, ctx: Context) -> dict[str, Any]:
    """Perform the operation. It may be repeated, so it writes a file rather than appends to one."""
    data = json.dumps({"environment": ctx.environment, "services": list(operation.inputs["services"])}).encode()
    ctx.machine().write(str(ctx.root / FOLDER / "announcement.json"), data)
    return {"announced": len(operation.inputs["services"])}


@hookimpl
def stagecraft_finalize(phase: PhaseRun, ctx: Context) -> Mapping[str, Performer]:
    """Return what performs the operation, in the phase for which it was planned."""
    return {ACTION: announce}


@hookimpl(wrapper=True)
def stagecraft_rollout(phase: PhaseRun, ctx: Context) -> Generator[None, Any, Any]:
    """See the rollout before, after and when it fails; the outcome passes on unchanged."""
    _note(ctx, f"before: {len(phase.operations)} operations of {phase.release.version}")
    try:
        outcome = yield
    except Exception as error:
        _note(ctx, f"failed: {error}")
        raise
    _note(ctx, "after")
    return outcome


@hookimpl
def stagecraft_on_release(release: Release, ctx: Context) -> None:
    """Be told that a release began or ended. The variable is for trying out what happens when an observer fails: nothing."""
    import os

    if os.environ.get("LIGHTHOUSE_STORM"):
        raise RuntimeError("the lamp went out")
    if any(status is not Status.PENDING for status in release.phases.values()):
        _note(ctx, f"release {release.version}: {'complete' if release.complete else 'failed'}")


@hookimpl
def stagecraft_commands() -> list[CommandLine]:
    """Add a command: ``stagecraft lighthouse``."""
    return [
        CommandLine(
            "lighthouse",
            "Show what the lighthouse saw of this project's deploys",
            show,
            flags=(Flag("limit", "how many lines, from the end; 0: all", default=0),),
            exit_codes={0: "shown", 1: "nothing was seen yet"},
            examples=("stagecraft lighthouse --limit 5",),
        )
    ]


def show(flags: Mapping[str, Any], session: Any) -> int:
    """Print the log of the project in the current folder."""
    from pathlib import Path

    try:
        lines = (Path.cwd() / FOLDER / "log.txt").read_text("utf-8").splitlines()
    except FileNotFoundError:
        raise NotFound("lighthouse log", "log.txt", hint="deploy with `plugins: [lighthouse]` first") from None
    except OSError as error:
        raise ProviderError(f"cannot read the lighthouse's log: {error.strerror}") from error
    chosen = lines[-flags["limit"] :] if flags["limit"] else lines
    if session.json:
        session.emit(chosen)
    else:
        session.say("\n".join(chosen))
    return 0


def _note(ctx: Context, line: str) -> None:
    path = str(ctx.root / FOLDER / "log.txt")
    try:
        before = ctx.machine().read(path)
    except NotFound:
        before = b""
    except ProviderError as error:
        # notes are not worth a deploy
        ctx.log(f"lighthouse: {error.message}", level="warning")
        return
    try:
        ctx.machine().write(path, before + line.encode() + b"\n")
    except ProviderError as error:
        ctx.log(f"lighthouse: {error.message}", level="warning")
