"""Run a driver's blocking call so that an interrupt or a deadline still ends it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stagecraft_hookspecs.context import Context

    from stagecraft_raw_sql.session import Session

_CANCEL_GRACE = 5.0
_TICK = 0.1
_HEARTBEAT = 15.0


class Expired(Exception):
    """Say that the deadline passed and the call was cancelled."""


def watched(ctx: Context, session: Session, call: Callable[[], None], seconds: float = 0.0) -> None:
    """Do ``call`` in a thread and wait for it; cancel it when the run is interrupted or after ``seconds`` (0: never).

    After a cancel, what ``call`` does with it (its own bookkeeping included) has been done when this raises.

    Raises:
        Expired: The deadline passed.
        Exception: Whatever ``call`` raised, or ``ctx.sleep`` when the run was interrupted.
    """
    import threading

    raised: list[BaseException] = []
    ended = threading.Event()

    def work() -> None:
        try:
            call()
        except BaseException as error:
            raised.append(error)
        finally:
            ended.set()

    threading.Thread(target=work, daemon=True, name="statement").start()
    begun = beaten = ctx.monotonic()
    try:
        while not ended.wait(_TICK):
            ctx.sleep(0)
            if ctx.monotonic() - beaten > _HEARTBEAT:
                beaten = ctx.monotonic()
                session.heartbeat()
            if seconds and ctx.monotonic() - begun > seconds:
                raise Expired
    except BaseException:
        session.cancel()
        if not ended.wait(_CANCEL_GRACE):
            session.close()  # the server does not answer: its own rules undo what was begun
        raise
    if raised:
        raise raised[0]
