"""Break one host at a time, from outside it, and make it whole again.

What a context manager breaks is whole again when it ends, also after a failed test; `heal` undoes whatever was left.
None of it touches another host, the machine, or a process that does not belong to the host.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from . import hosts, keys, network, probes, processes, switch
from .handles import TestHost
from .layout import TestbedError

MARK = "-m comment --comment testbed-fault"
PATIENCE = 30.0
"""Seconds that a server may take to come back or to go."""

LISTEN = """
import socket, sys
with socket.create_server((sys.argv[1], int(sys.argv[2]))):
    print("listening", flush=True)
    sys.stdin.read()
"""


# --- the network


@contextmanager
def cut(host: TestHost) -> Iterator[None]:
    """Pull the host's cable: nothing gets in or out, and nobody is told."""
    _set_link(host, "down")
    try:
        yield
    finally:
        _set_link(host, "up")


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


# --- SSH


def kill_ssh_sessions(host: TestHost) -> None:
    """Break all SSH connections; new ones are taken. What they had started may run on, as on any host."""
    host.sh(
        "for pid in $(pgrep -x 'sshd|sshd-session|sshd-auth'); do "
        '[ "$pid" = "$(cat /run/sshd.pid)" ] || kill -9 "$pid" 2>/dev/null || true; done'
    )


@contextmanager
def sshd_stopped(host: TestHost) -> Iterator[None]:
    """Stop the SSH server: new connections are refused, those that are open go on."""
    _stop_sshd(host)
    try:
        yield
    finally:
        _start_sshd(host)


@contextmanager
def host_key_changed(host: TestHost) -> Iterator[None]:
    """Give the host another key, as a machine that was made anew, or one in the middle, has."""
    private = _another_key(host)
    keys.make(host.layout, private, "another")
    _install_key(host, private)
    try:
        yield
    finally:
        _restore_key(host)


@contextmanager
def auth_refused(host: TestHost, user: str = "") -> Iterator[None]:
    """Take the key of `user` (the usual one) off the host: the server answers, and lets nobody in."""
    file = f"$(eval echo ~{user or host.user})/.ssh/authorized_keys"
    host.sh(f"mv {file} {file}.away")
    try:
        yield
    finally:
        host.sh(f"mv {file}.away {file}")


@contextmanager
def clock_skewed(host: TestHost, offset: str = "+3d") -> Iterator[None]:
    """Let commands that come by SSH see another time, such as `-2h`; the engine and the machine keep theirs."""
    library = host.sh("ls /usr/lib/*/faketime/libfaketime.so.1").strip()
    file = "/etc/ssh/sshd_config.d/clock.conf"
    host.sh(f"echo 'SetEnv LD_PRELOAD={library} FAKETIME={offset}' >{file}")
    _restart_sshd(host)
    try:
        yield
    finally:
        host.sh(f"rm {file}")
        _restart_sshd(host)


# --- the engine


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


# --- the disk


@contextmanager
def disk_full(host: TestHost, leave: int = 0) -> Iterator[None]:
    """Fill the host's disk but for `leave` bytes; the host needs a disk of its own (`tmpfs:` or `loop:`)."""
    _own_disk(host)
    host.sh(
        f"""
        free=$(df --output=avail -B1 / | tail -1)
        [ $free -le {leave + 4194304} ] || fallocate -l $((free - {leave} - 4194304)) /filler
        if [ {leave} = 0 ]; then cat /dev/zero >>/filler 2>/dev/null || true; fi
        """
    )
    try:
        yield
    finally:
        host.sh("rm -f /filler")


@contextmanager
def inodes_exhausted(host: TestHost) -> Iterator[None]:
    """Leave the host's disk with room but without a free inode; the host needs a disk of its own."""
    _own_disk(host)
    host.sh(
        "mkdir /fillers && cd /fillers && seq $(($(df --output=iavail / | tail -1) + 9)) | xargs touch 2>/dev/null || true"
    )
    try:
        yield
    finally:
        host.sh("rm -rf /fillers")


# --- the whole host


def cut_power(host: TestHost) -> None:
    """End the host at once, nothing synced or stopped; its disk stays, unless it is a tmpfs."""
    hosts.cut_power(host.layout, host.name)


def boot(host: TestHost) -> None:
    """Boot a host whose power was cut, and wait until SSH and engine answer."""
    at = switch.current(host.layout)
    if at is None:
        raise TestbedError("the testbed is down", "bring it up: python3 -m tests.testbed up hosts")
    if not host.running:
        hosts.boot(host.layout, at, [host.spec])


def well(host: TestHost) -> bool:
    """Say whether SSH and the engine of a host answer."""
    if not probes.ssh_answers(host.address, host.port):
        return False
    return not host.spec.engine or probes.engine_answers(str(hosts.engine_socket(host.layout, host.name)))


def heal(host: TestHost) -> None:
    """Undo every fault that is left on a host, and wait until it is well."""
    boot(host)
    _set_link(host, "up")
    host.sh(HEAL)
    if _another_key(host).exists():
        _restore_key(host)
    if not probes.ssh_answers(host.address, host.port):
        _start_sshd(host)
    if host.spec.engine and not probes.engine_answers(str(hosts.engine_socket(host.layout, host.name))):
        start_engine(host)
    if not processes.wait_until(lambda: well(host), PATIENCE):
        raise TestbedError(
            f"host {host.name} does not get well", "make it anew: python3 -m tests.testbed down; and up hosts"
        )


HEAL = """
iptables -S | grep -e testbed-fault | sed 's/^-A/iptables -w 5 -D/' | while read -r rule; do $rule; done
[ ! -e /run/docker.pid ] || kill -CONT $(cat /run/docker.pid) 2>/dev/null || true
rm -rf /filler /fillers
for file in ~root/.ssh/authorized_keys.away /home/*/.ssh/authorized_keys.away; do
    [ ! -e $file ] || mv $file ${file%.away}
done
if [ -e /etc/ssh/sshd_config.d/clock.conf ]; then
    rm /etc/ssh/sshd_config.d/clock.conf
    kill $(cat /run/sshd.pid)
    while [ -e /run/sshd.pid ]; do sleep 0.02; done
    /usr/local/libexec/start-sshd
fi
"""


@contextmanager
def _rules(host: TestHost, rules: list[str]) -> Iterator[None]:
    host.sh(" && ".join(f"iptables -w 5 -I {rule}" for rule in rules))
    try:
        yield
    finally:
        host.sh(" && ".join(f"iptables -w 5 -D {rule}" for rule in rules))


def _set_link(host: TestHost, way: str) -> None:
    at = switch.current(host.layout)
    if at is None:
        raise TestbedError("the testbed is down", "bring it up: python3 -m tests.testbed up hosts")
    network.run_ip(host.layout, "link", "set", at.link(host.spec.number), way)


def _stop_sshd(host: TestHost) -> None:
    host.sh("kill $(cat /run/sshd.pid) && while [ -e /run/sshd.pid ]; do sleep 0.02; done")


def _start_sshd(host: TestHost) -> None:
    host.sh("/usr/local/libexec/start-sshd")  # listens when it returns


def _restart_sshd(host: TestHost) -> None:
    _stop_sshd(host)
    _start_sshd(host)


def _another_key(host: TestHost) -> Path:
    return hosts.folder(host.layout, host.name) / "another_key"


def _restore_key(host: TestHost) -> None:
    _install_key(host, keys.host_key(host.layout, host.name))
    _another_key(host).unlink(missing_ok=True)


def _install_key(host: TestHost, private: Path) -> None:
    target = "/etc/ssh/ssh_host_ed25519_key"
    host.sh(f"umask 077; cat >{target}", stdin=private.read_text())
    host.sh(f"cat >{target}.pub", stdin=keys.public(private) + "\n")
    _restart_sshd(host)


def _wait_for_engine(host: TestHost) -> None:
    socket = str(hosts.engine_socket(host.layout, host.name))
    if not processes.wait_until(lambda: probes.engine_answers(socket), PATIENCE):
        raise TestbedError(f"the engine of {host.name} did not start", "read /var/log/dockerd.log on the host")


def _own_disk(host: TestHost) -> None:
    if host.spec.disk == "dir":
        raise TestbedError(
            f"{host.name} has no disk of its own: filling it would fill the machine's",
            'use one that has: make_host(disk="loop:300M")',
        )
