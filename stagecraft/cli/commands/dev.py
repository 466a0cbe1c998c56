"""``stagecraft dev``: the development processes, supervised, with one log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stagecraft_hookspecs.commands import CommandLine, Flag

if TYPE_CHECKING:
    from stagecraft.cli.session import Session


def run(flags: Mapping[str, Any], session: Session) -> int:
    """Run the development stack, or print it."""
    import os

    from stagecraft_hookspecs.errors import Refused
    from stagecraft_hookspecs.values import Secret

    from stagecraft.config import resolve_base
    from stagecraft.config.plain import secret_values
    from stagecraft.dev.environment import read_env, secrets
    from stagecraft.dev.topology import ENVIRONMENT, compute
    from stagecraft.loading import load_project

    if flags["env"]:
        raise Refused(
            f"dev runs the project's own development commands, outside of any environment, so -e {flags['env']} does not apply",
            hint="leave it out; what all environments share stands at the top level of the configuration",
        )
    config = resolve_base(session.raw, ENVIRONMENT, session.kernel.lookup, session.kernel.catalog.defaults)
    project = load_project(config, session.kernel, no_plugins=bool(flags["no-plugins"]))
    shell = dict(os.environ)
    files = read_env(config.root, config.env_files, shell)
    topology = compute(project, flags["services"])
    known = [Secret("configuration", value) for value in sorted(secret_values(config))]
    session.sink.scrub.add([*known, *project.secrets.values(), *secrets(topology, files)])
    if flags["dry-run"]:
        from stagecraft.dev.show import as_document, as_text

        if session.json:
            session.emit(as_document(topology, files))
        else:
            session.say(as_text(topology, files, session.sink.style))
        return 0
    import gc

    from stagecraft.dev.run import run_stack

    gc.enable()

    return run_stack(topology, config.root, files, shell, session.sink)


COMMANDS = (
    CommandLine(
        "dev",
        "Run the development processes with one log, until Ctrl-C",
        run,
        (
            Flag(
                "services",
                "only these processes, or those that stand in for these services",
                default=(),
                metavar="A,B",
                complete="service",
            ),
            Flag("dry-run", "show what would run, in which order", default=False),
        ),
        changes=True,
        exit_codes={
            0: "every process has ended, and none of them was required",
            1: "the project's files do not allow it, or a session of the project runs already",
            2: "a process could not start, did not become ready, or ended; or a port is taken",
            130: "ended by Ctrl-C, SIGTERM or SIGHUP",
        },
        examples=("stagecraft dev", "stagecraft dev --services api", "stagecraft dev --dry-run"),
    ),
)
