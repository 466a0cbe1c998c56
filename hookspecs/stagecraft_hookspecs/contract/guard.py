"""Run a function under a guard that notices whatever a pure function must not do.

Two instruments, because neither sees all: audit events (PEP 578) report files, sockets, processes and environment writes however
they are reached; a profile function sees calls of C functions such as ``time.time`` and ``os.stat`` under whatever name they were
imported. What imports do is allowed: plugins import on use.
"""

from __future__ import annotations

import gc
import os
import random
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, TypeVar

T = TypeVar("T")

_EVENTS = (
    "open",
    "socket.",
    "subprocess.",
    "os.",
    "shutil.",
    "tempfile.",
    "urllib.",
    "sqlite3.",
    "ctypes.",
    "pty.",
    "fcntl.",
    "signal.",
    "glob.",
    "pathlib.",
)

#: C functions that read the clock, the machine or chance: module to names.
_CALLS = {
    "time": {"time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "process_time", "sleep",
             "localtime", "gmtime", "strftime", "ctime", "asctime"},
    "posix": {"stat", "lstat", "access", "readlink", "getcwd", "getcwdb", "urandom", "getrandom", "getpid", "uname",
              "getlogin", "times", "cpu_count", "open", "listdir", "scandir"},
    "_socket": {"gethostname"},
    "_thread": {"start_new_thread", "start_joinable_thread"},
}  # fmt: skip
_CLOCK_METHODS = {"now", "utcnow", "today"}
_ENVIRON = {
    function.__code__
    for function in (
        type(os.environ).__getitem__,
        type(os.environ).__setitem__,
        type(os.environ).__delitem__,
        type(os.environ).__iter__,
    )
}


class Impure(AssertionError):
    """Say what a pure function did, and where."""


class _Watch(threading.local):
    found: list[str] | None = None


_WATCH = _Watch()
_INSTALLED: list[bool] = []


def pure(function: Callable[[], T]) -> T:
    """Call a function and return its result; raises Impure if it did anything but compute.

    Forbidden are files, sockets, processes, threads, environment variables, the clock, chance and the current folder. The first
    offence ends the call; one that the function swallows is reported all the same.
    """
    _install()
    found: list[str] = []
    former = sys.getprofile()
    # a collection that falls into the call would run callbacks of others (hypothesis has one) as if they were the function's
    collecting = gc.isenabled()
    gc.disable()
    _WATCH.found = found
    sys.setprofile(_profile)
    try:
        result = function()
    except BaseException:
        _stop(former, collecting)
        if found:
            raise Impure(found[0]) from None
        raise
    _stop(former, collecting)
    if found:
        raise Impure(found[0])
    return result


def _stop(former: Any, collecting: bool) -> None:
    _WATCH.found = None
    sys.setprofile(former)
    if collecting:
        gc.enable()


def _install() -> None:
    # an audit hook cannot be taken away, so there is one per process, which sleeps outside of `pure`
    if not _INSTALLED:
        _INSTALLED.append(True)
        sys.addaudithook(_audit)


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if _WATCH.found is None or not event.startswith(_EVENTS):
        return
    shown = ", ".join(repr(a) for a in arguments[:2])
    _report(f"{event}({shown})", sys._getframe(1))


def _profile(frame: FrameType, event: str, argument: Any) -> None:
    if event == "c_call":
        module, name = getattr(argument, "__module__", None), getattr(argument, "__name__", "")
        owner = getattr(argument, "__self__", None)
        if name in _CALLS.get(str(module), ()):
            _report(f"{module}.{name}()", frame)
        elif name in _CLOCK_METHODS and getattr(owner, "__module__", "") == "datetime":
            _report(f"datetime.{name}()", frame)
        elif owner is getattr(random, "_inst", None) and owner is not None:
            _report(f"random.{name}()", frame)
    elif event == "call":
        if frame.f_code in _ENVIRON:
            _report("os.environ", frame.f_back or frame)
        elif frame.f_locals.get("self") is getattr(random, "_inst", 0):
            _report(f"random.{frame.f_code.co_name}()", frame.f_back or frame)


def _report(what: str, frame: FrameType | None) -> None:
    if _WATCH.found is None or _importing(frame):
        return
    where = ""
    while frame is not None and (frame.f_code.co_filename.startswith("<") or "/lib/python" in frame.f_code.co_filename):
        if "site-packages" in frame.f_code.co_filename:
            break
        frame = frame.f_back
    if frame is not None:
        where = f" at {frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_name}"
    _WATCH.found.append(f"a pure function must not call {what}{where}")
    raise Impure(_WATCH.found[-1])


def _importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False
