"""``stagecraft plan``: what a deploy would do, with no side effects at all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stagecraft_hookspecs.commands import CommandLine, Flag

if TYPE_CHECKING:
    from stagecraft.cli.session import Session

VERSION = Flag(
    "version",
    "what the release is called; default: the commit (a plan alone says `unknown`)",
    short="v",
    metavar="NAME",
)
SERVICES = Flag("services", "only these services", default=(), metavar="A,B", complete="service")


def run(flags: Mapping[str, Any], session: Session) -> int:
    """Print or save the plan."""
    from stagecraft.plan.planner import make_plan
    from stagecraft.plan.select import select
    from stagecraft.plan.show import as_mermaid, as_text

    planned = make_plan(session.loaded, flags["version"] or "unknown", flags["services"])
    plan = select(planned.plan, session.config, flags["hosts"], flags["roles"])
    form = "json" if session.json else flags["format"]
    if flags["output"]:
        from stagecraft.machine import files

        # a saved plan is always the JSON that `deploy --plan` reads
        files.write(session.cwd / flags["output"], plan.to_json().encode())
        session.say(f"saved the plan to {flags['output']}; `stagecraft deploy --plan {flags['output']}` executes it")
    elif form == "json":
        session.emit(plan.to_dict())
    else:
        session.say(as_mermaid(plan) if form == "mermaid" else as_text(plan, session.sink.style))
    plan.refuse_errors()
    return 0


COMMANDS = (
    CommandLine(
        "plan",
        "Show what a deploy would do, without doing anything",
        run,
        (
            VERSION,
            SERVICES,
            Flag("hosts", "only what happens on these hosts", default=(), metavar="A,B", complete="host"),
            Flag("roles", "only what happens on hosts with these roles", default=(), metavar="A,B", complete="role"),
            Flag("format", "how to print it", default="text", choices=("text", "json", "mermaid")),
            Flag("output", "save it as JSON for `deploy --plan`", short="o", metavar="FILE", complete="file"),
        ),
        exit_codes={0: "planned", 1: "the project's files do not allow a deploy"},
        examples=("stagecraft plan -e prod", "stagecraft plan -e prod -o plan.json"),
        description="A plan is a pure function of the project's files, the environment's name and the version: it runs no "
        "command and reaches no network, engine or database. Secrets appear in it as references.",
    ),
)
