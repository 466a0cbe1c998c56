from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from stagecraft_compose import facts, ports

from .conftest import driver

TABLE = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:1F40 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 111 1 0
   1: 0100007F:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 222 1 0
   2: 0100007F:0051 0200007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 333 1 0
   3: 0B00007F:A000 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 444 1 0
"""


def test_only_listening_sockets_count_and_dockers_resolver_does_not() -> None:
    assert ports.listeners([TABLE]) == (("", 8000, "111"), ("127.0.0.1", 80, "222"))
    assert ports.in_text(TABLE + TABLE) == (80, 8000)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("", "127.0.0.1", True),
        ("0.0.0.0", "10.0.0.1", True),
        ("10.0.0.1", "10.0.0.1", True),
        ("10.0.0.1", "127.0.0.1", False),
        ("10.0.0.1", "::", True),
    ],
)
def test_addresses_that_cannot_share_a_port(one: str, other: str, same: bool) -> None:
    assert ports.overlap(one, other) is same


def test_the_process_that_holds_a_socket_is_named(tmp_path: Path) -> None:
    with socket.socket() as mine:
        mine.bind(("127.0.0.1", 0))
        mine.listen()
        port = mine.getsockname()[1]
        seen = ports.listeners([Path("/proc/net/tcp").read_text()])
        (inode,) = [inode for address, number, inode in seen if (address, number) == ("127.0.0.1", port)]
        container, who = facts.holders(driver.LocalMachine(tmp_path), (inode,))[inode]
    assert who.endswith(f"(pid {os.getpid()})")
    assert container == ""
    assert facts.holders(driver.LocalMachine(tmp_path), (inode,)) == {}
