"""Run the testbed by hand: `python3 -m tests.testbed up [PART..] | more COUNT | down | env | status | images`."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import time

from . import bed, handles, hostroot, images, needs
from .layout import TestbedError, default_layout


def main(arguments: list[str]) -> int:
    """Run one command; return the exit code: 0 done, 1 failed, 2 used wrongly."""
    parser = argparse.ArgumentParser(
        prog="python3 -m tests.testbed", description="Real parts for tests, on this machine."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="bring parts up; without PART, all but the images")
    up.add_argument("part", nargs="*", help=f"{', '.join(bed.PARTS)}, or an image: {', '.join(images.TAGS)}")
    more = commands.add_parser("more", help="bring up more hosts than the usual ones")
    more.add_argument("count", type=int)
    more.add_argument("--engine", default=hostroot.USUAL, help=f"{', '.join(hostroot.ENGINES)}; empty for SSH alone")
    more.add_argument("--disk", default="dir", help="dir, tmpfs:SIZE or loop:SIZE")
    commands.add_parser("down", help="take down what was brought up; caches stay")
    commands.add_parser("env", help="print the variables to set, for a shell to evaluate")
    commands.add_parser("status", help="say what is up, and what the tests would find")
    commands.add_parser("images", help="make all images, for a look at their sizes and times")
    chosen = parser.parse_args(arguments)
    try:
        return _run(chosen)
    except TestbedError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _run(chosen: argparse.Namespace) -> int:
    began = time.monotonic()
    if chosen.command in ("up", "images"):
        parts = chosen.part if chosen.command == "up" else list(images.TAGS)
        for part in parts or bed.PARTS:
            since = time.monotonic()
            bed.bring_up([part])
            print(f"{part:24} {time.monotonic() - since:6.2f} s", file=sys.stderr)
        print(f"{'all':24} {time.monotonic() - began:6.2f} s", file=sys.stderr)
    elif chosen.command == "more":
        for host in handles.more(default_layout(), chosen.count, engine=chosen.engine, disk=chosen.disk):
            print(f"{host.name} {host.address}")
        print(f"{'all':24} {time.monotonic() - began:6.2f} s", file=sys.stderr)
    elif chosen.command == "down":
        bed.take_down()
    elif chosen.command == "env":
        for name, value in sorted(bed.environment().items()):
            print(f"export {name}={shlex.quote(value)}")
    else:
        for name, line in bed.status().items():
            print(f"{name:10} {line}")
        os.environ.update(bed.environment())
        for name, found in needs.probe().items():
            print(f"{name:10} {found}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
