"""The history on three real hosts over SSH: seen by another laptop, with one host cut off, full or damaged."""

from __future__ import annotations

import io
import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import attrs
import pytest
from stagecraft_hookspecs.contract.samples import release
from stagecraft_hookspecs.values import Host, Phase, Status
from stagecraft_hosts.state import Hosts

from stagecraft.context import RunContext, Secretary
from stagecraft.machine.scope import Scope
from stagecraft.output.report import make_reporter
from stagecraft.output.scrub import Scrubber
from stagecraft.output.sink import Sink
from stagecraft.run.signals import Interrupts
from tests.testbed import faults
from tests.testbed.fixtures import TestHost

pytestmark = [pytest.mark.needs("hosts"), pytest.mark.timeout(240)]

STATE = "/home/deploy/.stagecraft/shop/prod/state"


class Laptop(RunContext):
    """Be a checkout of the project on a machine of its own, with connections of its own, and keep what is said."""

    said: list[str]

    def log(self, message: str, *, level: str = "info", service: str = "", host: str = "") -> None:
        self.said.append(message)


@pytest.fixture
def laptop(
    tmp_path: Path, clean_hosts: tuple[TestHost, ...], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], Laptop]]:
    monkeypatch.setenv("STAGECRAFT_SSH_CONFIG", str(clean_hosts[0].ssh_config))
    hosts = tuple(Host(h.name, h.address, h.user) for h in clean_hosts)
    with ExitStack() as stack:

        def make(name: str) -> Laptop:
            folder, sink = tmp_path / name, Sink(io.StringIO(), io.StringIO())
            folder.mkdir()
            secretary = Secretary({}, lambda _: {}, Scrubber())
            made = Laptop(folder, "shop", "prod", Scope(), secretary, make_reporter(sink), Interrupts(), hosts=hosts)
            made.said = []
            stack.callback(made.close)
            return made

        yield make


def deploy(state: Hosts, ctx: Laptop, serial: int, operations: int = 10) -> None:
    """Write what a deploy writes."""
    kept = release(serial)
    store = state.open(ctx, kept.id)
    store.put("plan.json", b"plan %d" % serial)
    store.put("bundle.json", b"{}" * 150_000)
    state.record(ctx, kept)
    for n in range(operations):
        store.append({"event": "begin", "operation": f"op-{n}"})
        store.append({"event": "done", "operation": f"op-{n}"})
    state.record(ctx, attrs.evolve(kept, phases=dict.fromkeys(Phase, Status.COMPLETED)))


def kept(host: TestHost) -> str:
    """Return the hash and name of every file of the history, as the host itself says."""
    return host.sh(f"cd {STATE} && find . -type f | sort | xargs sha256sum", check=False)


def test_another_laptop_sees_the_same_history(
    laptop: Callable[[str], Laptop], clean_hosts: tuple[TestHost, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    one, two = laptop("one"), laptop("two")
    state = Hosts()
    deploy(state, one, 1)
    store = state.open(one, release(1).id)
    store.append({"n": 0})
    begun = time.monotonic()
    for n in range(20):
        store.append({"n": n})
    each = (time.monotonic() - begun) / 20
    assert Hosts().releases(two) == state.releases(one) != ()
    assert Hosts().open(two, release(1).id).get("bundle.json") == b"{}" * 150_000
    assert len(Hosts().open(two, release(1).id).entries()) == 41
    assert len({kept(host) for host in clean_hosts}) == 1
    modes = clean_hosts[0].sh(f"find {STATE} -printf '%m\n' | sort -u").split()
    assert modes == ["600", "700"]
    with capsys.disabled():
        print(f" an append to 3 hosts: {each * 1000:.0f} ms", end="")


def test_one_host_is_cut_off_in_the_middle_and_comes_back(
    laptop: Callable[[str], Laptop], clean_hosts: tuple[TestHost, ...]
) -> None:
    one = laptop("one")
    state = Hosts()
    deploy(state, one, 1)
    lost = clean_hosts[1]
    with faults.rejected(lost):
        deploy(state, one, 2)
        assert f"{lost.name} misses what is recorded now" in "\n".join(one.said)
        two = laptop("two")
        assert [r.serial for r in Hosts().releases(two)] == [1, 2]
        assert f"{lost.name} does not tell its part of the history" in "\n".join(two.said)
    assert kept(lost) != kept(clean_hosts[0])
    three = laptop("three")
    deploy(Hosts(), three, 3)
    assert re.search(
        rf"{lost.name} was behind: \d+ files of the history were brought up to date", "\n".join(three.said)
    )
    assert len({kept(host) for host in clean_hosts}) == 1
    with faults.rejected(clean_hosts[0]), faults.rejected(clean_hosts[2]):
        assert [r.serial for r in Hosts().releases(laptop("four"))] == [1, 2, 3], "the one that was away knows all"


def test_a_full_disk_on_one_host_leaves_what_it_had(
    laptop: Callable[[str], Laptop], clean_hosts: tuple[TestHost, ...]
) -> None:
    full = clean_hosts[2]
    one = laptop("one")
    deploy(Hosts(), one, 1)
    full.sh(f"cp -a {STATE} /var/aside && mount -t tmpfs -o size=512k,mode=700,uid=$(id -u deploy) none {STATE}")
    try:
        full.sh(
            f"cp -a /var/aside/. {STATE}/ && chown -R deploy: {STATE} && (dd if=/dev/zero of={STATE}/fill bs=1k || true)"
        )
        before = kept(full)
        two = laptop("two")
        deploy(Hosts(), two, 2)
        assert f"the state on {full.name} refuses: " in "\n".join(two.said)
        assert "No space left on device" in "\n".join(two.said)
        assert kept(full) == before
        assert [r.serial for r in Hosts().releases(laptop("three"))] == [1, 2]
    finally:
        full.sh(f"umount {STATE} && rm -rf /var/aside")
    deploy(Hosts(), laptop("four"), 3)
    assert len({kept(host) for host in clean_hosts}) == 1


def test_a_damaged_copy_is_named_and_healed_by_the_next_write(
    laptop: Callable[[str], Laptop], clean_hosts: tuple[TestHost, ...]
) -> None:
    deploy(Hosts(), laptop("one"), 1)
    harmed = clean_hosts[0]
    path = harmed.sh(f"echo {STATE}/releases/*/release@*").strip()
    harmed.sh(f"printf X | dd of={path} bs=1 seek=20 conv=notrunc")
    two = laptop("two")
    assert [r.serial for r in Hosts().releases(two)] == [1]
    assert f"{harmed.name}:{path} is damaged; the copy of {clean_hosts[1].name} is used" in two.said
    deploy(Hosts(), two, 2)
    assert f"{harmed.name}:{path} is damaged; it is replaced by the copy of {clean_hosts[1].name}" in two.said
    assert len({kept(host) for host in clean_hosts}) == 1
