"""Break what lies between a host and the rest."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.testbed import network, switch
from tests.testbed.handles import TestHost
from tests.testbed.layout import TestbedError

MARK = "-m comment --comment testbed-fault"
LISTEN = """
import socket, sys
with socket.create_server((sys.argv[1], int(sys.argv[2]))):
    print("listening", flush=True)
    sys.stdin.read()
"""


@contextmanager
def cut(host: TestHost) -> Iterator[None]:
    """Pull the host's cable: nothing gets in or out, and nobody is told."""
    set_link(host, "down")
    try:
        yield
    finally:
        set_link(host, "up")


@contextmanager
def dropped(host: TestHost, port: int | None = None) -> Iterator[None]:
    """Drop what comes in for the TCP port, without an answer; without a port, all that comes in or goes out."""
    rules = [f"INPUT -i eth0 -p tcp --dport {port}"] if port else ["INPUT -i eth0", "OUTPUT -o eth0"]
    with _rules(host, [f"{rule} {MARK} -j DROP" for rule in rules]):
        yield


@contextmanager
def rejected(host: TestHost, port: int = 22) -> Iterator[None]:
    """Refuse connections to the TCP port with a reset; those that are open break too."""
    with _rules(host, [f"INPUT -i eth0 -p tcp --dport {port} {MARK} -j REJECT --reject-with tcp-reset"]):
        yield


@contextmanager
def port_taken(host: TestHost, port: int, address: str = "0.0.0.0") -> Iterator[None]:
    """Let a process that no engine knows listen on a port of the host."""
    command = ["nsenter", f"--net=/proc/{host.pid}/ns/net", sys.executable, "-Ic", LISTEN, address, str(port)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as stranger:
        assert stranger.stdout is not None
        if stranger.stdout.readline() != "listening\n":
            raise TestbedError(f"nobody can listen on port {port} of {host.name}", "is it taken already?")
        yield  # it ends when its input does, also if this process is killed


def set_link(host: TestHost, way: str) -> None:
    """Set the machine's end of the cable `up` or `down`."""
    at = switch.current(host.layout)
    if at is None:
        raise TestbedError("the testbed is down", "bring it up: python3 -m tests.testbed up hosts")
    network.run_ip(host.layout, "link", "set", at.link(host.spec.number), way)


@contextmanager
def _rules(host: TestHost, rules: list[str]) -> Iterator[None]:
    host.sh(" && ".join(f"iptables -w 5 -I {rule}" for rule in rules))
    try:
        yield
    finally:
        host.sh(" && ".join(f"iptables -w 5 -D {rule}" for rule in rules))
