"""Compare a host's clock with this machine's. Nothing depends on it but people who read times, and tokens that registries give."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from stagecraft_hookspecs.values import LOCAL, Command

if TYPE_CHECKING:
    from stagecraft_hookspecs.context import Context
    from stagecraft_hookspecs.values import Host

#: Seconds that a clock may be off before it is worth a word.
TOLERATED = 5.0


def skew(ctx: Context, host: Host) -> float:
    """Return by how many seconds a host's clock is ahead of this machine's; 0.0 where it cannot be told."""
    if host.name == LOCAL.name:
        return 0.0
    before = time.time()
    result = ctx.machine(host).run(Command(("date", "+%s"), timeout=20), check=False)
    after = time.time()
    told = result.stdout.strip()
    if not (result.ok and told.isdigit()):
        return 0.0
    # the answer has whole seconds: the true time lies in that second, and was asked for between the two readings
    earliest, latest = float(told) - after, float(told) + 1.0 - before
    return earliest if earliest > 0 else latest if latest < 0 else 0.0


def check_clock(ctx: Context, host: Host) -> None:
    """Warn when a host's clock is off."""
    off = skew(ctx, host)
    if abs(off) > TOLERATED:
        ctx.log(
            f"its clock is {abs(off):.0f} s {'ahead' if off > 0 else 'behind'}: times in its logs are off, and registries may "
            "refuse its tokens; set it with NTP",
            level="warning",
            host=host.name,
        )
