"""What ``ss`` says is read as it is, from this machine and from samples; other lines are left out."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

import pytest
from stagecraft_container_proxy.contract.context import LocalMachine
from stagecraft_container_proxy.sockets import Listener, connections, listeners, split
from stagecraft_hookspecs.contract.doubles import FakeMachine

SAMPLE = """\
Welcome to app-1!
LISTEN 0      4096         0.0.0.0:22         0.0.0.0:*    users:(("sshd",pid=512,fd=3))
LISTEN 0      4096   127.0.0.53%lo:53         0.0.0.0:*
LISTEN 0      511                *:80               *:*    users:(("nginx",pid=7,fd=6),("nginx",pid=6,fd=6))
LISTEN 0      128            [::1]:631           [::]:*
ESTAB  0      0           10.0.0.1:4711   172.18.0.5:8000
ESTAB  0      0      [::ffff:10.0.0.1]:80 [::ffff:10.9.9.9]:50000
SYN-SENT 0    1           10.0.0.1:4712   172.18.0.6:8000
"""


def test_listeners_of_a_sample() -> None:
    listening = "\n".join(line for line in SAMPLE.splitlines() if not line.startswith(("ESTAB", "SYN")))
    assert listeners(FakeMachine({("ss",): listening})) == (
        Listener("", 22, "sshd (process 512)"),
        Listener("", 80, "nginx (process 7)"),
        Listener("127.0.0.53", 53),
        Listener("::1", 631),
    )


def test_connections_of_a_sample() -> None:
    opened = "\n".join(line for line in SAMPLE.splitlines() if not line.startswith("LISTEN"))
    assert connections(FakeMachine({("ss",): opened})) == (("172.18.0.5", 8000), ("10.9.9.9", 50000))


@pytest.mark.skipif(not shutil.which("ss"), reason="this machine has no ss")
def test_this_machines_own(tmp_path: Path) -> None:
    machine = LocalMachine(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        mine = next(one for one in listeners(machine) if one.port == port)
        assert mine.address == "127.0.0.1"
        assert f"process {os.getpid()}" in mine.process
        with socket.create_connection(("127.0.0.1", port)):
            assert ("127.0.0.1", port) in connections(machine)


def test_who_meets_whom() -> None:
    assert Listener("", 80).meets("10.0.0.1", 80)
    assert Listener("10.0.0.1", 80).meets("", 80)
    assert not Listener("10.0.0.1", 80).meets("10.0.0.2", 80)
    assert not Listener("", 80).meets("", 81)
    assert split("[::]:80") == ("", 80)
