"""Break the way into a host: its SSH server, its key, its accounts, and the clock that sessions see."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.testbed import hosts, keys
from tests.testbed.handles import TestHost


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
        start_sshd(host)


@contextmanager
def host_key_changed(host: TestHost) -> Iterator[None]:
    """Give the host another key, as a machine that was made anew, or one in the middle, has."""
    private = another_key(host)
    keys.make(host.layout, private, "another")
    _install_key(host, private)
    try:
        yield
    finally:
        restore_key(host)


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


def start_sshd(host: TestHost) -> None:
    """Start the SSH server of a host where it was stopped."""
    host.sh("/usr/local/libexec/start-sshd")  # listens when it returns


def another_key(host: TestHost) -> Path:
    """Return where the wrong key is kept while the host has it."""
    return hosts.folder(host.layout, host.name) / "another_key"


def restore_key(host: TestHost) -> None:
    """Give the host its own key back."""
    _install_key(host, keys.host_key(host.layout, host.name))
    another_key(host).unlink(missing_ok=True)


def _stop_sshd(host: TestHost) -> None:
    host.sh("kill $(cat /run/sshd.pid) && while [ -e /run/sshd.pid ]; do sleep 0.02; done")


def _restart_sshd(host: TestHost) -> None:
    _stop_sshd(host)
    start_sshd(host)


def _install_key(host: TestHost, private: Path) -> None:
    target = "/etc/ssh/ssh_host_ed25519_key"
    host.sh(f"umask 077; cat >{target}", stdin=private.read_text())
    host.sh(f"cat >{target}.pub", stdin=keys.public(private) + "\n")
    _restart_sshd(host)
