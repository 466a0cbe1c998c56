"""The one edge at which errors become text and exit codes."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from stagecraft_hookspecs.errors import ConfigError, InternalError, Interrupted, StagecraftError

from stagecraft.cli.arguments import typed
from stagecraft.output.sink import Sink, hush

if TYPE_CHECKING:
    from stagecraft_hookspecs.commands import CommandLine

    from stagecraft.cli.session import Session


class Edge:
    """Run a command with a session and turn what it raises into an exit code.

    The session is closed before an error is shown: on a terminal, taking the live block away would take the error with it.

    Args:
        rest: What stood behind ``--``.
    """

    def __init__(self, rest: Sequence[str] = ()) -> None:
        self._rest = tuple(rest)

    def run(self, command: CommandLine, values: Mapping[str, Any]) -> int:
        """Return the command's exit code; ``values`` are the flags' as Invoke has them."""
        from stagecraft.cli.session import Session

        sink = Sink(
            sys.stdout,
            sys.stderr,
            json=bool(values.get("json")),
            color=False if values.get("no_color") else None,
            verbose=bool(values.get("verbose")),
        )
        try:
            session = Session(sink, typed(command, values), self._rest)
        except StagecraftError as error:
            return show(error, sink)
        try:
            return int(command.run(session.values, session) or 0)
        except BrokenPipeError:
            # whoever read our output has gone (`| head`)
            hush(sys.stdout)
            return 0
        except KeyboardInterrupt:
            session.close()
            return show(Interrupted("interrupted", hint="run the command again"), sink)
        except StagecraftError as error:
            session.close()
            return show(error, sink)
        except (Exception, SystemExit) as error:
            session.close()
            return show(_blame(error, session), sink, error)
        finally:
            session.close()


def show(error: StagecraftError, sink: Sink, cause: BaseException | None = None) -> int:
    """Print an error and return its exit code; a traceback only for internal errors and with ``--verbose``."""
    if sink.json:
        sink.emit({"error": document(error)})
    if isinstance(error, ConfigError):
        for problem in error.problems:
            _line(sink, str(problem), problem.hint)
    else:
        _line(sink, f"{error.where}: {error.message}" if error.where else error.message, "")
        if error.detail and (sink.verbose or not isinstance(error, InternalError)) and error.code != "plugin-broken":
            for line in error.detail.splitlines():
                sink.note(f"  {line}")
        if error.hint:
            sink.note(sink.style("hint:", "36", sink.err) + f" {error.hint}")
    if sink.verbose or isinstance(error, InternalError):
        import traceback

        sink.note("".join(traceback.format_exception(cause or error)).rstrip())
    return error.exit_code


def document(error: StagecraftError) -> dict[str, Any]:
    """Return an error as JSON-like data with stable codes."""
    found: dict[str, Any] = {
        "code": error.code,
        "message": error.message,
        "hint": error.hint,
        "where": str(error.where) if error.where else "",
    }
    if isinstance(error, ConfigError):
        found["problems"] = [
            {"message": p.message, "hint": p.hint, "where": str(p.where) if p.where else ""} for p in error.problems
        ]
    if error.detail:
        found["detail"] = error.detail
    if diagnosis := getattr(error, "diagnosis", ()):
        found["diagnosis"] = list(diagnosis)
    return found


def _line(sink: Sink, message: str, hint: str) -> None:
    sink.note(sink.style("error:", "1;31", sink.err) + f" {message}")
    if hint:
        sink.note(sink.style("hint:", "36", sink.err) + f" {hint}")


def _blame(error: BaseException, session: Session) -> StagecraftError:
    kernel = session.loaded_kernel
    if kernel is not None:
        return kernel.blame(error)
    return InternalError(f"{type(error).__name__}: {error}", hint="this is a fault in Stagecraft; please report it")
