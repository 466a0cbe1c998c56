"""Break the engine of a host, and the containers on it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.testbed import hosts, probes, processes
from tests.testbed.handles import TestHost
from tests.testbed.layout import TestbedError

PATIENCE = 30.0
"""Seconds that a server may take to come back or to go."""


def kill_engine(host: TestHost, signal: str = "KILL") -> None:
    """Send the engine a signal and wait until it is gone; TERM lets it stop containers, KILL leaves them running."""
    host.sh(f"pid=$(cat /run/docker.pid) && kill -{signal} $pid && while [ -e /proc/$pid ]; do sleep 0.02; done")


def start_engine(host: TestHost) -> None:
    """Start the engine again and wait until it answers."""
    host.sh("/usr/local/libexec/start-engine")
    _wait_for_engine(host)


@contextmanager
def engine_stopped(host: TestHost, signal: str = "KILL") -> Iterator[None]:
    """End the engine as `kill_engine` does; it is started again afterwards."""
    kill_engine(host, signal)
    try:
        yield
    finally:
        start_engine(host)


@contextmanager
def engine_hung(host: TestHost) -> Iterator[None]:
    """Freeze the engine: its socket takes connections and never answers."""
    host.sh("kill -STOP $(cat /run/docker.pid)")
    try:
        yield
    finally:
        host.sh("kill -CONT $(cat /run/docker.pid)")


def oom_kill(host: TestHost, container: str) -> None:
    """Let the kernel kill the container's first process for want of memory.

    Processes of the host join the container's control group and fill it, each too small to be the kernel's choice.
    """
    host.sh(
        f"""
        pid=$(docker inspect -f '{{{{.State.Pid}}}}' {container})
        docker update --memory 64m --memory-swap 64m {container} >/dev/null
        echo 1000 >/proc/$pid/oom_score_adj
        group=$(sed -n 's/^[0-9]*:memory://p' /proc/$pid/cgroup)
        if [ -n "$group" ]; then procs=/sys/fs/cgroup/memory$group/cgroup.procs
        else procs=/sys/fs/cgroup$(sed -n 's/^0:://p' /proc/$pid/cgroup)/cgroup.procs; fi
        for each in 1 2 3 4; do
            sh -c 'echo $$ >"$1" && head -c 24m /dev/zero | tail >/dev/null' hog "$procs" 2>/dev/null &
        done
        wait
        """,
    )


def _wait_for_engine(host: TestHost) -> None:
    socket = str(hosts.engine_socket(host.layout, host.name))
    if not processes.wait_until(lambda: probes.engine_answers(socket), PATIENCE):
        raise TestbedError(f"the engine of {host.name} did not start", "read /var/log/dockerd.log on the host")
