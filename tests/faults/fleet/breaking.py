"""Break one thing at the place that a case names, and say what makes it whole again."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial

from tests.testbed import faults
from tests.testbed.handles import TestHost

from .site import Site

BRIEFLY = 3.0
"""Seconds that a fault lasts which heals while the command still runs."""
HUNG_BRIEFLY = 8.0


def broken(fault: str, site: Site, host: TestHost) -> AbstractContextManager[object] | None:
    """Return the host's or registry's fault as a context that makes it whole again, entered late; None for a client's."""
    table: dict[str, Callable[[], AbstractContextManager[object]]] = {
        "cut": lambda: faults.cut(host),
        "cut-briefly": lambda: _briefly(faults.cut(host), BRIEFLY),
        "packets-dropped": lambda: faults.dropped(host),
        "sessions-killed": lambda: _done(lambda: faults.kill_ssh_sessions(host)),
        "sshd-stopped": lambda: _with_sessions(faults.sshd_stopped(host), host),
        "auth-refused": lambda: _with_sessions(faults.auth_refused(host), host),
        "host-key-changed": lambda: _with_sessions(faults.host_key_changed(host), host),
        "clock-skewed": lambda: _with_sessions(faults.clock_skewed(host, "+1h"), host),
        "engine-killed": lambda: _briefly(faults.engine_stopped(host), BRIEFLY),
        "engine-hung": lambda: faults.engine_hung(host),
        "engine-hung-briefly": lambda: _briefly(faults.engine_hung(host), HUNG_BRIEFLY),
        "power-cut": lambda: _briefly(_powerless(host), 0.5),
        "power-off": lambda: _powerless(host),
        "disk-full": lambda: faults.disk_full(host),
        "inodes-exhausted": lambda: faults.inodes_exhausted(host),
        "proxy-killed": lambda: _done(lambda: _kill_proxy(site, host)),
        "app-oom-killed": lambda: _done(lambda: _oom_kill(site, host)),
        "image-missing": lambda: _done(lambda: _lose_images(site, host)),
        "port-taken": lambda: _taken(site, host),
        "registry-down": lambda: _registry_down(site),
        "registry-expired": lambda: _registry_expired(site),
    }
    return table[fault]() if fault in table else None


def signalled(fault: str, process: subprocess.Popen[bytes], locked: Callable[[], bool]) -> None:
    """Do to the command's process what a case says; a frozen one goes on once its locks on the hosts are free.

    Raises:
        TimeoutError: The locks of a frozen command were not freed within 15 s.
    """
    if fault == "client-killed":
        process.kill()
    elif fault == "client-interrupted":
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    elif fault == "client-terminated":
        process.terminate()
    elif fault == "client-frozen":
        freeze(process, locked)
        os.killpg(process.pid, signal.SIGCONT)


def freeze(process: subprocess.Popen[bytes], locked: Callable[[], bool]) -> None:
    """Stop a command's processes and wait until the hosts have freed its locks."""
    os.killpg(process.pid, signal.SIGSTOP)
    ends = time.monotonic() + 15
    while locked():
        if time.monotonic() > ends:
            os.killpg(process.pid, signal.SIGCONT)
            raise TimeoutError("the locks of a frozen command were held for more than 15 s")
        time.sleep(0.2)


@contextmanager
def _briefly(fault: AbstractContextManager[object], seconds: float) -> Iterator[None]:
    """Heal by itself after some seconds, while the command runs; at the latest at the end of the block."""
    stack, lock = ExitStack(), threading.Lock()
    stack.enter_context(fault)

    def heal() -> None:
        with lock:
            stack.close()

    timer = threading.Timer(seconds, heal)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        heal()


@contextmanager
def _with_sessions(fault: AbstractContextManager[object], host: TestHost) -> Iterator[None]:
    """Break the open connections too, so that the fault, which new ones meet, is met."""
    with fault:
        faults.kill_ssh_sessions(host)
        yield


@contextmanager
def _done(act: Callable[[], object]) -> Iterator[None]:
    act()
    yield


@contextmanager
def _powerless(host: TestHost) -> Iterator[None]:
    faults.cut_power(host)
    try:
        yield
    finally:
        faults.boot(host)


@contextmanager
def _taken(site: Site, host: TestHost) -> Iterator[None]:
    """Take the port that the release wants: of a first one the visitors', else the one that it has more than the former."""
    with faults.port_taken(host, 8081 if site.served else 8080):
        yield


@contextmanager
def _registry_down(site: Site) -> Iterator[None]:
    registry = site.registries()[1]
    registry.stop()
    try:
        yield
    finally:
        registry.start()


@contextmanager
def _registry_expired(site: Site) -> Iterator[None]:
    registry = site.registries()[1]
    registry.expire()
    try:
        yield
    finally:
        registry.renew()


def _kill_proxy(site: Site, host: TestHost) -> None:
    host.docker("kill", "--signal", "KILL", f"{site.name}.prod.haproxy", check=False)


def _oom_kill(site: Site, host: TestHost) -> None:
    """Let the kernel kill the newest instance that visitors' requests go to."""
    ids = host.docker(
        "ps", "-q", "--filter", f"label=com.docker.compose.project={site.name}-prod", "--filter", "name=web"
    )
    if ids.split():
        faults.oom_kill(host, ids.split()[0])


def _lose_images(site: Site, host: TestHost) -> None:
    """Remove the project's images from a host and from this machine, as far as no container holds them."""
    for run in (host.docker, partial(_here)):
        ids = run("image", "ls", "-q", f"{site.name}/web").split()
        if ids:
            run("image", "rm", "-f", *sorted(set(ids)), check=False)


def _here(*arguments: str, check: bool = True) -> str:
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=check).stdout
