"""Say what went wrong with a file, in the user's words."""

from __future__ import annotations

from stagecraft_hookspecs.errors import Mark, ProviderError, Refused, TimedOut, UserError

from stagecraft_raw_sql.files import SqlFile
from stagecraft_raw_sql.session import Failed, Fault, Settings

_EXCERPT_LINES = 8


def _label(file: SqlFile, number: int) -> str:
    return f"{file.name}: statement {number} of {len(file.statements)}" if number else file.name


def _where(file: SqlFile, number: int, fault: Fault | None = None) -> Mark:
    """Return the place of a statement, or the place within it that the server named."""
    if not 1 <= number <= len(file.statements):
        return file.mark(len(file.text) if number else 0)
    statement = file.statements[number - 1]
    if fault and 0 <= fault.offset < len(statement.text):
        return file.mark(statement.start + fault.offset)
    if fault and 1 < fault.line <= statement.text.count("\n") + 1:
        return Mark(file.path, statement.line + fault.line - 1)
    return file.mark(statement.start)


def _excerpt(file: SqlFile, number: int) -> str:
    if not 1 <= number <= len(file.statements):
        return ""
    lines = file.statements[number - 1].text.splitlines()
    return "\n".join(lines[:_EXCERPT_LINES] + ["…"] * (len(lines) > _EXCERPT_LINES))


def _failure(file: SqlFile, failed: Failed, state: str, settings: Settings) -> ProviderError:
    fault, number = failed.fault, failed.number
    message = f"{_label(file, number)} failed: {fault.message}"
    hint = f"{fault.hint}; {state}" if fault.hint else f"correct it and run again; {state}"
    if fault.kind == "lock":
        message = f"{_label(file, number)} got no lock in {settings.retries + 1} tries: {fault.message}"
        hint = f"end the long transaction that is in the way, or raise lock_timeout or lock_retries; {state}"
    return ProviderError(message, hint=hint, where=_where(file, number, fault), detail=_excerpt(file, number))


def rolled_back(file: SqlFile, failed: Failed, settings: Settings) -> ProviderError:
    """Report a file whose transaction was undone."""
    if failed.fault.kind == "lost" and not failed.number:
        message = f"{file.name}: the connection was lost while it was committed: {failed.fault.message}"
        return ProviderError(message, hint="run again: the database knows whether it was", where=file.mark())
    if failed.fault.kind == "lost":
        message = f"{_label(file, failed.number)} was cut off: {failed.fault.message}"
        where = _where(file, failed.number)
        return ProviderError(message, hint="run again; nothing of this file was applied", where=where)
    return _failure(file, failed, "nothing of this file was applied", settings)


def stopped(file: SqlFile, failed: Failed, settings: Settings) -> ProviderError:
    """Report a file that stopped at a statement, those before it being applied."""
    number = failed.number
    if failed.fault.kind == "lost":
        message = f"{_label(file, number)} was cut off: {failed.fault.message}"
        hint = "run again: the next run finds out what became of it, or says how to settle it"
        return ProviderError(message, hint=hint, where=_where(file, number), detail=_excerpt(file, number))
    before = f"statements 1 to {number - 1} stay applied" if number > 2 else "statement 1 stays applied"
    state = f"{before if number > 1 else 'nothing of this file was applied'}, and a rerun resumes at statement {number}"
    return _failure(file, failed, state, settings)


def expired(file: SqlFile, number: int, settings: Settings, state: str) -> TimedOut:
    """Report a statement that took longer than it may."""
    message = f"{_label(file, number)} was cancelled after {settings.statement_timeout:g} s"
    hint = f"raise statement_timeout or make it faster; {state}"
    return TimedOut(message, hint=hint, where=_where(file, number), detail=_excerpt(file, number))


def left_transaction(file: SqlFile, number: int) -> ProviderError:
    """Report a statement that ended the transaction around it."""
    hint = "write `-- stagecraft: no-transaction` above the first statement, and look at what it has committed"
    return ProviderError(f"{_label(file, number)} ended the file's transaction", hint=hint, where=_where(file, number))


def obstructed(file: SqlFile, number: int, message: str, hint: str) -> ProviderError:
    """Report what stands in a statement's way."""
    where = _where(file, number)
    return ProviderError(f"{_label(file, number)}: {message}", hint=f"{hint}; then run again", where=where)


def unknown(file: SqlFile, number: int, key: str) -> ProviderError:
    """Report a statement of which nobody knows whether it took effect."""
    hint = (
        "look at the database; if the statement took effect, set "
        f'`resolve: {{"{key}": applied}}` beside the path of these migrations, else `again` in place of `applied`, '
        "and run again"
    )
    message = f"{_label(file, number)} was cut off in an earlier run, and whether it took effect is unknown"
    return ProviderError(message, hint=hint, where=_where(file, number), detail=_excerpt(file, number))


def bad_answer(key: str, answer: str) -> UserError:
    """Report an answer that is none."""
    return UserError(f"resolve: {key!r} cannot be {answer!r}", hint="write applied or again")


def edited_statement(file: SqlFile, number: int, recorded: str, now: str = "none") -> Refused:
    """Report a statement that was changed after it was applied."""
    message = f"{_label(file, number)} was edited after it was applied: recorded {recorded}, file {now}"
    hint = "put it back as it was; only statements that were not applied yet may change"
    return Refused(message, hint=hint, where=_where(file, number))
