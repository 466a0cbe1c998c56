"""The error tree. Every error a user sees says what went wrong, where, and the next step.

::

    StagecraftError
    ├── UserError                 exit 1   the user or the project's files
    │   ├── ConfigError           every fault of a file, each with file:line:column
    │   ├── NotFound              an unknown name, with the nearest known ones
    │   ├── Refused               a safety rule said no; nothing was changed
    │   └── LockHeld              somebody else deploys this environment
    ├── ProviderError             exit 2   a provider or an external system
    │   ├── CommandFailed         a command exited non-zero
    │   ├── TimedOut              a deadline passed
    │   ├── ToolMissing           an executable or a driver is not installed
    │   ├── Unhealthy             a service did not become healthy; carries the diagnosis
    │   ├── StateCorrupt          a state file is damaged; it was left as it is
    │   └── PluginBroken          a plugin that the project needs cannot be loaded
    ├── InternalError             exit 3   a fault in Stagecraft
    │   └── PluginFault           a fault in a plugin; names the plugin and its distribution
    ├── PartialFailure            exit 10  some hosts succeeded, some did not
    └── Interrupted               exit 130 Ctrl-C, SIGTERM or SIGHUP

A provider raises ``ProviderError`` or ``UserError`` (or one below them). Anything else that leaves a plugin is a ``PluginFault``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from stagecraft_hookspecs.values import Result


@attrs.frozen(order=True)
class Mark:
    """Point at a place in a file.

    Attributes:
        file: Path as the user would type it, relative to the project where it lies below it.
        line: 1-based.
        column: 1-based, in characters.
    """

    file: str
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@attrs.frozen
class Problem:
    """Describe one fault of an input file: what, the next step, and where."""

    message: str
    hint: str = ""
    where: Mark | None = None

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" if self.where else self.message


class StagecraftError(Exception):
    """Stop the command with a message, a next step and an exit code.

    Args:
        message: One sentence without a final full stop.
        hint: The next step, as a command where there is one.
        where: The place in a file, if it lies in one.
        detail: Further lines (a log tail, a diagnosis) shown below the message.
    """

    code: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "", where: Mark | None = None, detail: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.where = where
        self.detail = detail


class UserError(StagecraftError):
    """Blame the user's input: a flag, a file, an environment."""

    code = "user"


class ConfigError(UserError):
    """Report every fault found in the project's files in one run.

    Args:
        problems: At least one, in any order; they are kept sorted by place.
    """

    code = "config"

    def __init__(self, problems: Iterable[Problem]) -> None:
        first = Mark("", 0, 0)
        self.problems: tuple[Problem, ...] = tuple(sorted(problems, key=lambda p: (p.where or first, p.message)))
        head = self.problems[0]
        super().__init__(head.message, hint=head.hint, where=head.where)

    def __str__(self) -> str:
        return "\n".join(str(p) for p in self.problems)


class NotFound(UserError):
    """Report an unknown name together with what it could have been.

    Args:
        what: The kind of thing: ``environment``, ``backend provider``, ``release``.
        name: What was asked for.
        known: What there is; the nearest ones become the suggestion.
        hint: Replaces the list of known names as the next step.
    """

    code = "not-found"

    def __init__(
        self, what: str, name: str, known: Iterable[str] = (), *, hint: str = "", where: Mark | None = None
    ) -> None:
        self.what, self.name = what, name
        self.known = tuple(sorted(known))
        near = nearest(name, self.known)
        message = f"no {what} {name!r}" + (f"; did you mean {near!r}?" if near else "")
        if not hint:
            hint = f"known: {', '.join(self.known)}" if self.known else f"there is no {what} yet"
        super().__init__(message, hint=hint, where=where)


class Refused(UserError):
    """Say no for safety's sake, before anything was changed."""

    code = "refused"


class LockHeld(UserError):
    """Report that another run holds the environment's lock."""

    code = "lock-held"


class ProviderError(StagecraftError):
    """Report that a provider or an external system failed."""

    code = "provider"
    exit_code = 2


class CommandFailed(ProviderError):
    """Report a command that exited non-zero, with the tail of its output."""

    code = "command-failed"

    def __init__(self, result: Result, *, what: str = "", hint: str = "") -> None:
        self.result = result
        text = (result.stderr or result.stdout).rstrip()
        message = f"{what or result.argv[0]} failed with exit code {result.exit_code}"
        super().__init__(message, hint=hint, detail="\n".join(text.splitlines()[-20:]))


class TimedOut(ProviderError):
    """Report that a deadline passed."""

    code = "timeout"


class ToolMissing(ProviderError):
    """Report an executable, service or driver that is not there; the hint says how to get it."""

    code = "tool-missing"


class Unhealthy(ProviderError):
    """Report a service that did not become healthy; ``detail`` is the diagnosis in words, ``diagnosis`` as data."""

    code = "unhealthy"

    def __init__(
        self, message: str, *, hint: str = "", detail: str = "", diagnosis: Sequence[dict[str, object]] = ()
    ) -> None:
        super().__init__(message, hint=hint, detail=detail)
        self.diagnosis = tuple(diagnosis)


class StateCorrupt(ProviderError):
    """Report a damaged state file. It is never replaced silently."""

    code = "state-corrupt"


class PluginBroken(ProviderError):
    """Report a plugin that the project needs and that cannot be loaded."""

    code = "plugin-broken"


class InternalError(StagecraftError):
    """Report a fault in Stagecraft itself; shown with its traceback."""

    code = "internal"
    exit_code = 3


class PluginFault(InternalError):
    """Report a fault in a plugin's code, naming the plugin and its distribution."""

    code = "plugin-fault"


class PartialFailure(StagecraftError):
    """Report that some hosts succeeded and some did not; ``detail`` says which and why."""

    code = "partial"
    exit_code = 10


class Interrupted(StagecraftError):
    """Report Ctrl-C, SIGTERM or SIGHUP. What was begun has been recorded and undone."""

    code = "interrupted"
    exit_code = 130


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the known name that ``name`` most resembles, or an empty string."""
    import difflib

    found = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.6)
    return found[0] if found else ""
