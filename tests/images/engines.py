"""A second engine on a host, with containerd's image store: the other kind of engine there is."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.testbed.fixtures import TestHost

CONFIG = {"features": {"containerd-snapshotter": True}}
START = """
mkdir -p /var/lib/docker/store
cat >/etc/docker/store.json
setsid dockerd --config-file=/etc/docker/store.json --data-root=/var/lib/docker/store --exec-root=/run/store \
    --pidfile=/run/store.pid --host=unix:///run/testbed/store.sock --bridge=none --iptables=false --ip6tables=false \
    </dev/null >/var/log/store.log 2>&1 &
"""
STOP = """
kill "$(cat /run/store.pid)"
while [ -e /run/store.pid ]; do sleep 0.05; done
rm -rf /var/lib/docker/store
"""


@contextmanager
def store_engine(host: TestHost) -> Iterator[str]:
    """Give the URL of an engine with containerd's image store, on a host beside its usual one."""
    trusted = json.loads(host.sh("cat /etc/docker/daemon.json")).get("insecure-registries", [])
    host.sh(START, stdin=json.dumps({**CONFIG, "insecure-registries": trusted}))
    url = host.docker_host.replace("docker.sock", "store.sock")
    for _ in range(600):
        if host.sh("docker -H unix:///run/testbed/store.sock version >/dev/null 2>&1 && echo up", check=False):
            break
        time.sleep(0.1)
    else:
        raise AssertionError(host.sh("tail -5 /var/log/store.log"))
    try:
        yield url
    finally:
        host.sh(STOP)
