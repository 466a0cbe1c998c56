"""``stagecraft deploy``: all six phases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stagecraft_hookspecs.commands import CommandLine, Flag
from stagecraft_hookspecs.errors import UserError

from stagecraft.cli.commands.plan import SERVICES, VERSION

if TYPE_CHECKING:
    from stagecraft.cli.session import Session


def run(flags: Mapping[str, Any], session: Session) -> int:
    """Deploy, or resume or abort a run that was interrupted."""
    if flags["resume"] and flags["abort"]:
        raise UserError("--resume and --abort exclude each other", hint="`--resume` finishes, `--abort` undoes")
    _refuse_ignored(flags)
    if flags["dry-run"]:
        return _dry_run(flags, session)
    from stagecraft.output.summary import show_release

    with session.runner(wait=flags["wait"], no_cache=flags["no-cache"]) as runner:
        if flags["abort"]:
            aborted = runner.abort()
            if session.json:
                session.emit({"aborted": aborted.id if aborted else None})
            elif aborted is None:
                session.say("nothing to undo: no run was interrupted")
            return 0
        if flags["resume"]:
            release = runner.resume()
        else:
            from stagecraft.run.version import current_version

            version, commit = current_version(runner.ctx, flags["version"])
            planned = _planned(flags, session, version)
            planned.plan.refuse_errors()
            release = runner.deploy(planned.plan.version, commit, planned.plan.selected, planned)
        session.close()
        show_release(session, release)
    return 0


def _refuse_ignored(flags: Mapping[str, Any]) -> None:
    """Refuse flags that the run's own or a saved plan would silently overrule."""
    for leader, others in (
        ("resume", ("version", "services", "plan", "dry-run")),
        ("abort", ("version", "services", "plan", "dry-run")),
        ("plan", ("version", "services")),
    ):
        for other in others:
            if flags[leader] and flags[other]:
                what = "the saved plan says it" if leader == "plan" else "the interrupted run has its own plan"
                raise UserError(f"--{leader} and --{other} exclude each other", hint=f"leave out --{other}; {what}")


def _planned(flags: Mapping[str, Any], session: Session, version: str) -> Any:
    from stagecraft.plan.planner import make_plan

    if not flags["plan"]:
        planned = make_plan(session.loaded, version, flags["services"])
    else:
        from stagecraft.plan.approved import approved

        planned = approved(session.loaded, session.cwd / flags["plan"], flags["plan"])
    for index, finding in enumerate(planned.plan.findings):
        if finding.severity.value == "warning":
            where = planned.plan.marks.get(index)
            session.sink.note(
                session.sink.style("warning:", "33", session.sink.err)
                + (f" {where}:" if where else "")
                + f" {finding.message}"
            )
    return planned


def _dry_run(flags: Mapping[str, Any], session: Session) -> int:
    from stagecraft.plan.show import as_text
    from stagecraft.run.version import current_version

    with session.context() as ctx:
        version = flags["version"] or current_version(ctx)[0]
    planned = _planned(flags, session, version)
    if session.json:
        session.emit({**planned.plan.to_dict(), "dry_run": True})
    else:
        session.say(as_text(planned.plan, session.sink.style))
        session.say("dry run: nothing was changed")
    planned.plan.refuse_errors()
    return 0


COMMANDS = (
    CommandLine(
        "deploy",
        "Build, push, migrate and roll out; undo by itself what fails",
        run,
        (
            VERSION,
            SERVICES,
            Flag("dry-run", "show what would be done, and write nothing", default=False),
            Flag("plan", "execute exactly this saved plan, or refuse", metavar="FILE", complete="file"),
            Flag("resume", "continue a run that was interrupted", default=False),
            Flag("abort", "undo a run that was interrupted", default=False),
            Flag("wait", "queue while somebody else deploys", default=False),
            Flag("no-cache", "build every step anew", default=False),
            Flag("yes", "do not ask; there is nothing to ask at present", default=False),
        ),
        changes=True,
        exit_codes={
            0: "the new release serves",
            1: "the project's files, a flag, or a safety rule do not allow it; nothing was changed",
            2: "something failed; it was undone, and the former release serves",
            3: "a fault in Stagecraft or a plugin",
            10: "some hosts succeeded and some did not",
            130: "interrupted; it was undone, or the hint says how to",
        },
        examples=(
            "stagecraft deploy -e prod",
            "stagecraft deploy -e prod --version 1.4.0",
            "stagecraft deploy --resume",
        ),
    ),
)
