"""``stagecraft build``: build the images of the plan's build operations; no release is recorded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stagecraft_hookspecs.commands import CommandLine, Flag

from stagecraft.cli.commands.plan import SERVICES, VERSION

if TYPE_CHECKING:
    from stagecraft.cli.session import Session


def run(flags: Mapping[str, Any], session: Session) -> int:
    """Build, and with ``--push`` push."""
    from stagecraft.plan.planner import make_plan
    from stagecraft.run.building import build_only
    from stagecraft.run.version import current_version

    with session.context() as ctx:
        version = flags["version"] or current_version(ctx)[0]
        planned = make_plan(session.loaded, version, flags["services"])
        operations = build_only(planned.plan, push=flags["push"])
        if flags["dry-run"]:
            for operation in operations:
                session.say(f"would {operation.description}")
            built: dict[str, str] = {}
        else:
            from stagecraft.run.building import build

            built = build(session.loaded, planned, operations, ctx, no_cache=flags["no-cache"])
    if session.json:
        session.emit({"version": version, "images": built, "dry_run": flags["dry-run"]})
    else:
        for service, image in sorted(built.items()):
            session.say(f"{service}  {image}")
        if not operations:
            session.say("nothing to build: no service has a `build`")
    return 0


COMMANDS = (
    CommandLine(
        "build",
        "Build the images, and with --push push them",
        run,
        (
            VERSION,
            SERVICES,
            Flag("push", "push what was built to the registry", default=False),
            Flag("no-cache", "build every step anew", default=False),
            Flag("dry-run", "show what would be built", default=False),
        ),
        changes=True,
        exit_codes={
            0: "built",
            1: "the project's files do not allow it",
            2: "a build or push failed",
            130: "interrupted",
        },
        examples=("stagecraft build --services api", "stagecraft build -e prod --push"),
    ),
)
