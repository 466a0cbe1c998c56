"""Take an environment's lock from a holder that will not give it back: by ending it, which frees the lock."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from stagecraft_hookspecs.errors import ProviderError, Refused

from stagecraft_local.lock import POLL, current, is_ours

if TYPE_CHECKING:
    from stagecraft_hookspecs.context import Context
    from stagecraft_hookspecs.state import Holder

    from stagecraft_local.places import Places

#: Seconds that a holder gets to undo what it had begun and to end, and then those until a killed one is gone.
ASKED, KILLED = 12.0, 5.0


def taken(ctx: Context, at: Places) -> Holder | None:
    """End the process that holds the lock, asking it first, and return who it was; None when nobody held it.

    Raises:
        Refused: It runs on another machine, or it is the run that started this one.
        ProviderError: It is another user's, or does not end.
    """
    holder = current(at, ctx.environment)
    if holder is None:
        return None
    if not holder.pid or holder.host != os.uname().nodename:
        raise Refused(
            f"the run that holds {ctx.environment} is not on this machine but on {holder.host or 'an unknown one'}",
            hint=f"end process {holder.pid} there: the lock frees itself with it",
        )
    if is_ours(holder):
        raise Refused(f"process {holder.pid}, which holds {ctx.environment}, started this command", hint="let it end")
    for number, patience in ((signal.SIGTERM, ASKED), (signal.SIGKILL, KILLED)):
        try:
            os.kill(holder.pid, number)
        except ProcessLookupError:
            pass
        except PermissionError as error:
            raise ProviderError(
                f"process {holder.pid} of {holder.who} cannot be ended: it is another user's",
                hint=f"sudo kill {holder.pid}",
            ) from error
        deadline = ctx.monotonic() + patience
        while ctx.monotonic() < deadline:
            if current(at, ctx.environment) != holder:
                return holder
            ctx.sleep(POLL)
    raise ProviderError(f"process {holder.pid} does not end", hint="see what it waits for: ps -o stat,wchan,cmd")
