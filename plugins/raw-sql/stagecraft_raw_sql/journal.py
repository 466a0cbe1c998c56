"""Apply a file statement by statement, each recorded before it begins and after it ended.

A run that dies leaves at most one statement that was begun and has no end. The next run resumes at the first statement
that has not taken effect, and stops at one whose outcome nobody can know, saying how to settle it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from stagecraft_raw_sql import ledger, report
from stagecraft_raw_sql.files import SqlFile
from stagecraft_raw_sql.session import Failed, Session, Settings
from stagecraft_raw_sql.watch import Expired, watched

if TYPE_CHECKING:
    from stagecraft_hookspecs.context import Context

_SESSION_ONLY = ("SET ", "USE ")
_LASTING = ("SET GLOBAL", "SET PERSIST", "SET PERSIST_ONLY", "SET PASSWORD", "SET DEFAULT ROLE")


def journalled(
    ctx: Context,
    session: Session,
    file: SqlFile,
    settings: Settings,
    row: ledger.Row | None,
    patiently: Callable[[Callable[[], bool]], bool],
) -> None:
    """Apply what is left of a file, of which ``row`` tells how far it came."""
    applied = _resume_point(session, file, settings, row) if row else 0
    if row is None:
        ledger.claim(session, ledger.fresh(file, 0), settings.runner)
    else:
        ledger.resume(session, ledger.fresh(file, applied), settings.runner)
        ctx.log(f"{file.name}: resuming after statement {applied} of {len(file.statements)}")
        _replay(session, file, applied)
    if applied == len(file.statements):
        ledger.done(session, file.name, applied, last=True)
    for number in range(applied + 1, len(file.statements) + 1):
        ctx.progress(f"{file.name}: statement {number} of {len(file.statements)}")
        step = partial(_step, session, file, number)
        try:
            patiently(partial(_watched_step, ctx, session, settings, step))
        except Expired:
            kept = f"statements up to {number - 1} stay applied, and a rerun resumes here"
            raise report.expired(file, number, settings, kept) from None
        except Failed as failed:
            raise report.stopped(file, failed, settings) from failed.error


def _watched_step(ctx: Context, session: Session, settings: Settings, step: Callable[[], None]) -> bool:
    watched(ctx, session, step, settings.statement_timeout)
    return True


def _step(session: Session, file: SqlFile, number: int) -> None:
    """Run one statement between its two records; in the watched thread, so that a cancelled one is recorded too."""
    statement = file.statements[number - 1]
    message, hint = session.obstacle(statement)
    if message:
        raise report.obstructed(file, number, message, hint)
    last, atomic = number == len(file.statements), session.atomic(statement)
    try:
        if atomic:  # the record is part of the statement's own transaction: it never ends unknown
            session.begin()
            ledger.done(session, file.name, number, last=last)
            session.execute(statement)
            session.commit()
            return
        ledger.begin(session, file.name, number)
        session.execute(statement)
    except session.errors as error:
        fault = session.fault(error)
        session.rollback()
        if fault.kind != "lost":
            ledger.failed(session, file.name, fault.message)
        raise Failed(fault, number, error) from error
    ledger.done(session, file.name, number, last=last)


def _resume_point(session: Session, file: SqlFile, settings: Settings, row: ledger.Row) -> int:
    """Return how many statements have taken effect. Raises for edited ones, and for one whose outcome is unknown."""
    now = ledger.fingerprints(file.statements)
    for number, recorded in enumerate(row.hashes[: row.applied], 1):
        if now[number - 1 : number] != (recorded,):
            raise report.edited_statement(file, number, recorded, *now[number - 1 : number])
    if not row.running:
        return row.applied
    number, key = row.running, f"{row.name}:{row.running}@{row.running_since}"
    answer = settings.resolve.get(key, "")
    if answer not in ("", "applied", "again"):
        raise report.bad_answer(key, answer)
    same = now[number - 1 : number] == row.hashes[number - 1 : number]
    if not answer and same:
        answer = session.outcome(file.statements[number - 1])
    if not answer:
        raise report.unknown(file, number, key)
    if answer == "applied" and not same:
        raise report.edited_statement(file, number, row.hashes[number - 1], *now[number - 1 : number])
    return number if answer == "applied" else number - 1


def _replay(session: Session, file: SqlFile, applied: int) -> None:
    """Repeat what earlier statements set for their session, which ended with the run that was cut off."""
    for statement in file.statements[:applied]:
        if f"{statement.head} ".startswith(_SESSION_ONLY) and not statement.head.startswith(_LASTING):
            session.execute(statement)
