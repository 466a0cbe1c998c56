"""Apply files: one transaction each where the engine can, statement by statement with a journal where it cannot."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from stagecraft_hookspecs.migration import Applied

from stagecraft_raw_sql import ledger, report
from stagecraft_raw_sql.files import SqlFile
from stagecraft_raw_sql.journal import journalled
from stagecraft_raw_sql.memory import Memory
from stagecraft_raw_sql.session import Failed, Session, Settings
from stagecraft_raw_sql.watch import Expired, watched

if TYPE_CHECKING:
    from stagecraft_hookspecs.context import Context


def run(ctx: Context, session: Session, files: Sequence[SqlFile], settings: Settings) -> tuple[Applied, ...]:
    """Apply ``files`` in order; the session holds the lock. Return those that this call brought to their end."""
    try:
        _patiently(ctx, settings, f"the table {ledger.TABLE}", partial(_ledger, session))
    except Failed as failed:
        raise session.refused(failed.error) from failed.error
    applied: list[Applied] = []
    memory = Memory(session)
    for file in files:
        session.reset(ctx)
        if _apply(ctx, session, memory, file, settings) and (row := memory.recall(file.name)):
            applied.append(row.record())
            ctx.log(f"applied {file.name}: {row.total} statement{'s' * (row.total != 1)}")
        else:
            ctx.log(f"{file.name} was applied already", level="debug")
    return tuple(applied)


def _apply(ctx: Context, session: Session, memory: Memory, file: SqlFile, settings: Settings) -> bool:
    """Return whether there was something to do."""
    row = memory.look(file)
    if row and row.applied >= row.total:
        return False
    if row is None and session.transactional and file.transactional:
        attempt = partial(_transaction, ctx, session, memory, file, settings)
        try:
            return _patiently(ctx, settings, file.name, attempt)
        except Failed as failed:
            raise report.rolled_back(file, failed, settings) from failed.error
    journalled(ctx, session, file, settings, row, partial(_patiently, ctx, settings, file.name))
    return True


def _ledger(session: Session) -> bool:
    """Make the ledger's table."""
    try:
        session.make_ledger()
    except session.errors as error:
        fault = session.fault(error)
        if fault.kind != "lock":
            raise
        raise Failed(fault, 0, error) from error
    return True


def _patiently(ctx: Context, settings: Settings, what: str, attempt: Callable[[], bool]) -> bool:
    """Try again, later each time, while another session's locks are in the way.

    Between two tries nobody waits behind this session.
    """
    for tried in range(settings.retries + 1):
        try:
            return attempt()
        except Failed as failed:
            if failed.fault.kind != "lock" or tried == settings.retries:
                raise
            pause = settings.backoff * 2**tried
            where = f"statement {failed.number} of {what}" if failed.number else what
            ctx.log(f"{where} meets another session's lock; again in {pause:g} s", level="warning")
            ctx.sleep(pause)
    raise AssertionError("unreachable")


def _transaction(ctx: Context, session: Session, memory: Memory, file: SqlFile, settings: Settings) -> bool:
    """Apply a whole file and its ledger row, or nothing; return False if it was applied already.

    The row is written first: whatever role the statements take on, it is in, and its primary key stops a second runner.
    """
    number, total = 0, len(file.statements)
    try:
        session.begin()
        if memory.look(file):
            session.rollback()
            return False
        ledger.claim(session, ledger.fresh(file, total), settings.runner)
        for number, statement in enumerate(file.statements, 1):
            ctx.progress(f"{file.name}: statement {number} of {total}")
            watched(ctx, session, partial(session.execute, statement), settings.statement_timeout)
            if not session.in_transaction():
                raise report.left_transaction(file, number)
        number = 0
        session.unmask()
        ledger.finish(session, file.name)
        session.commit()
        return True
    except Expired:
        session.rollback()
        raise report.expired(file, number, settings, "nothing of this file was applied") from None
    except session.errors as error:
        fault = session.fault(error)
        session.rollback()
        raise Failed(fault, number, error) from error
    except BaseException:
        session.rollback()
        raise
