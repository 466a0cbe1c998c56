"""End a host at once, boot it, and make it well again."""

from __future__ import annotations

from tests.testbed import hosts, probes, processes, switch
from tests.testbed.handles import TestHost
from tests.testbed.layout import TestbedError

from .engine import PATIENCE, start_engine
from .network import set_link
from .ssh import another_key, restore_key, start_sshd


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
    set_link(host, "up")
    host.sh(HEAL)
    if another_key(host).exists():
        restore_key(host)
    if not probes.ssh_answers(host.address, host.port):
        start_sshd(host)
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
