"""Start a program whose file system calls are first shown to a supervisor. Run as a script by `calls.py`.

``python launcher.py SOCKET_FD ARGV...`` installs a seccomp filter, sends its listener through the socket and executes ARGV.
Source of numbers and layouts: linux/seccomp.h, linux/filter.h, the tables of system calls.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
import sys

#: name -> number on x86_64 and aarch64 (-1: not there).
NUMBERS = {
    "open": (2, -1),
    "openat": (257, 56),
    "creat": (85, -1),
    "write": (1, 64),
    "pwrite64": (18, 68),
    "writev": (20, 66),
    "close": (3, 57),
    "fsync": (74, 82),
    "fdatasync": (75, 83),
    "ftruncate": (77, 46),
    "rename": (82, -1),
    "renameat": (264, 38),
    "renameat2": (316, 276),
    "unlink": (87, -1),
    "unlinkat": (263, 35),
    "rmdir": (84, -1),
    "mkdir": (83, -1),
    "mkdirat": (258, 34),
    "link": (86, -1),
    "linkat": (265, 37),
    "symlink": (88, -1),
    "symlinkat": (266, 36),
    "chmod": (90, -1),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "flock": (73, 32),
}
#: machine -> column of NUMBERS, AUDIT_ARCH value, number of seccomp(2)
MACHINES = {"x86_64": (0, 0xC000003E, 317), "aarch64": (1, 0xC00000B7, 277)}

_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _NOTIFY = 0x7FFF0000, 0x7FC00000


def program(numbers: list[int], arch: int) -> bytes:
    """Return the BPF program that shows ``numbers`` to the supervisor and lets all else pass."""
    code = [(_LOAD, 0, 0, 4), (_EQUAL, 0, len(numbers) + 1, arch), (_LOAD, 0, 0, 0)]
    for i, number in enumerate(numbers):
        code.append((_EQUAL, len(numbers) - i, 0, number))
    code += [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _NOTIFY)]
    return b"".join(struct.pack("HBBI", *step) for step in code)


def install() -> int:
    """Install the filter on this process and its children; return the listener's descriptor."""
    column, arch, seccomp = MACHINES[os.uname().machine]
    code = program([pair[column] for pair in NUMBERS.values() if pair[column] >= 0], arch)
    libc = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(code, len(code))
    # struct sock_fprog: length, padding, pointer
    filters = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(code) // 8, ctypes.addressof(buffer)))
    if libc.prctl(38, 1, 0, 0, 0):  # PR_SET_NO_NEW_PRIVS, so that no privilege is needed
        raise OSError(ctypes.get_errno(), "prctl")
    for flags in (8 | 32, 8):  # NEW_LISTENER, with WAIT_KILLABLE_RECV since Linux 5.19
        listener = int(libc.syscall(seccomp, 1, flags, filters))
        if listener >= 0:
            return listener
    raise OSError(ctypes.get_errno(), "seccomp: no user notification here")


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as channel:
        fd = install()
        socket.send_fds(channel, [b"x"], [fd])
        os.execvp(sys.argv[2], sys.argv[2:])
