"""Break one host at a time, from outside it, and make it whole again.

What a context manager breaks is whole again when it ends, also after a failed test; `heal` undoes whatever was left.
None of it touches another host, the machine, or a process that does not belong to the host.
"""

from __future__ import annotations

from .disk import disk_full, inodes_exhausted
from .engine import engine_hung, engine_stopped, kill_engine, oom_kill, start_engine
from .network import cut, dropped, port_taken, rejected
from .power import boot, cut_power, heal, well
from .ssh import auth_refused, clock_skewed, host_key_changed, kill_ssh_sessions, sshd_stopped

__all__ = [
    "auth_refused",
    "boot",
    "clock_skewed",
    "cut",
    "cut_power",
    "disk_full",
    "dropped",
    "engine_hung",
    "engine_stopped",
    "heal",
    "host_key_changed",
    "inodes_exhausted",
    "kill_engine",
    "kill_ssh_sessions",
    "oom_kill",
    "port_taken",
    "rejected",
    "sshd_stopped",
    "start_engine",
    "well",
]
