"""Put a constant load on web servers: `python3 -m tests.load --help`."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import threading

from .client import Client
from .model import KINDS, PATHS, Plan, Results, Target


def main(arguments: list[str]) -> int:
    """Run one load; return 0 when nothing was lost, 1 when something was, 2 when used wrongly."""
    parser = argparse.ArgumentParser(prog="python3 -m tests.load", description="Open-loop load at a constant rate.")
    parser.add_argument("target", nargs="*", help="[https://]ADDRESS:PORT[=HOST-NAME]; requests are spread over all")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long (default 10)")
    parser.add_argument("--count", type=int, default=0, help="how many requests at most")
    parser.add_argument("--timeout", type=float, default=10.0, help="seconds that a request may take (default 10)")
    parser.add_argument("--sockets", type=int, default=4, help="WebSockets per target (default 4)")
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    parser.add_argument("--plan", metavar="-", help="read the plan as one line of JSON, until a line `stop`")
    for kind in KINDS:
        parser.add_argument(f"--{kind}", type=float, default=0.0, metavar="RATE", help=f"{kind} requests a second")
        parser.add_argument(f"--{kind}-path", default=PATHS[kind], metavar="PATH", help=f"default {PATHS[kind]}")
    chosen = parser.parse_args(arguments)
    if chosen.plan:
        print(asyncio.run(_fed(Plan.from_json(sys.stdin.readline()))).to_json())
        return 0
    try:
        plan = Plan(
            tuple(Target.parse(t) for t in chosen.target),
            {kind: getattr(chosen, kind) for kind in KINDS if getattr(chosen, kind)},
            seconds=chosen.seconds,
            count=chosen.count,
            timeout=chosen.timeout,
            sockets=chosen.sockets,
            paths={kind: getattr(chosen, f"{kind}_path") for kind in KINDS},
        )
    except ValueError as error:
        parser.error(str(error))
    results = asyncio.run(_interruptible(plan))
    print(results.to_json() if chosen.json else results)
    return 1 if results.lost else 0


async def _interruptible(plan: Plan) -> Results:
    client = Client(plan)
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, client.stop)
    return await client.run()


async def _fed(plan: Plan) -> Results:
    """Run until standard input says anything or ends: a parent that died ends its load too."""
    client, loop = Client(plan), asyncio.get_running_loop()

    def read() -> None:
        sys.stdin.readline()
        loop.call_soon_threadsafe(client.stop)

    threading.Thread(target=read, daemon=True).start()
    print("begun", flush=True)
    return await client.run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
