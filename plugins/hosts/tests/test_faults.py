"""Hosts that are down, behind, damaged, full or cut off, and writers that are killed."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import pytest
from hosts_machines import FolderContext
from stagecraft_hookspecs.contract.samples import release
from stagecraft_hookspecs.errors import ProviderError, StateCorrupt
from stagecraft_hookspecs.values import Command, Phase, Status
from stagecraft_hosts.state import Hosts

Laptop = Callable[..., FolderContext]


@pytest.fixture
def laptop(tmp_path: Path) -> Laptop:
    """Make a context of a checkout of the project on some laptop; the hosts are the same for all."""

    def make(name: str = "one", hosts: int = 3) -> FolderContext:
        (tmp_path / name).mkdir(exist_ok=True)
        return FolderContext(tmp_path / name, tmp_path / "hosts", hosts)

    return make


@pytest.fixture
def memory() -> Iterator[Path]:
    """Return a folder that costs no disk's time, where there is one: the order of what is done is under test."""
    fast = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=fast if os.access(fast, os.W_OK) else None) as folder:
        yield Path(folder)


def files(ctx: FolderContext, host: str) -> dict[str, bytes]:
    """Return what a host has, by path below its state; a journal without an entry is none."""
    state = ctx.machines[host].folder / ".stagecraft/shop/prod/state"
    found = {str(p.relative_to(state)): p.read_bytes() for p in sorted(state.rglob("*")) if p.is_file()}
    return {path: data for path, data in found.items() if data or not path.endswith("journal")}


def said(ctx: FolderContext) -> str:
    return "\n".join(message for _, message in ctx.logged)


def deploy(state: Hosts, ctx: FolderContext, serial: int) -> None:
    """Write what a deploy writes."""
    kept = release(serial)
    store = state.open(ctx, kept.id)
    store.put("plan.json", b"plan %d" % serial)
    state.record(ctx, kept)
    for n in range(4):
        store.append({"event": "begin", "operation": f"op-{n}"})
        store.append({"event": "done", "operation": f"op-{n}"})
    state.record(ctx, attrs.evolve(kept, phases=dict.fromkeys(Phase, Status.COMPLETED)))


def test_another_laptop_sees_the_same_history(laptop: Laptop) -> None:
    one, two = laptop("one"), laptop("two")
    deploy(Hosts(), one, 1)
    deploy(Hosts(), two, 2)
    state = Hosts()
    for ctx in (one, two):
        assert [r.serial for r in state.releases(ctx)] == [1, 2]
        assert state.open(ctx, release(1).id).get("plan.json") == b"plan 1"
        assert len(state.open(ctx, release(2).id).entries()) == 8
    assert files(one, "app-1") == files(one, "app-2") == files(one, "app-3")
    modes = {p.stat().st_mode & 0o777 for p in (one.machines["app-1"].folder / ".stagecraft").rglob("*")}
    assert modes == {0o700, 0o600}
    assert not list((one.root / ".stagecraft").rglob("release*")) if (one.root / ".stagecraft").exists() else True


def test_what_a_deploy_costs(laptop: Laptop) -> None:
    """An append is one command on each host, and so is a record and a file of the bundle."""
    ctx, state = laptop(), Hosts()
    deploy(state, ctx, 1)
    store = state.open(ctx, release(1).id)
    store.append({"n": 0})
    machine = ctx.machines["app-2"]
    before = machine.runs, machine.reads
    for n in range(10):
        store.append({"n": n})
    assert (machine.runs - before[0], machine.reads - before[1]) == (10, 0)
    state.record(ctx, release(1))
    store.put("bundle.json", b"x" * 300_000)
    assert (machine.runs - before[0], machine.reads - before[1]) == (12, 0)
    state.releases(ctx)
    assert machine.runs - before[0] <= 14


def test_entries_that_come_at_once_share_a_command(laptop: Laptop) -> None:
    ctx = laptop(hosts=1)
    store = Hosts().open(ctx, release(1).id)
    store.append({"n": -1})
    machine = ctx.machines["app-1"]
    first = threading.Event()
    gate = threading.Event()

    def slow(command: Command) -> Command:
        first.set()
        assert gate.wait(30)
        return command

    machine.tamper = slow
    before = machine.runs
    threads = [threading.Thread(target=store.append, args=({"n": 0},))]
    threads[0].start()
    assert first.wait(30)
    threads += [threading.Thread(target=store.append, args=({"n": n},)) for n in range(1, 9)]
    for thread in threads[1:]:
        thread.start()
    while len(store._queue) < 8:  # all of them wait for the one that is on its way
        threading.Event().wait(0.01)
    gate.set()
    for thread in threads:
        thread.join()
    assert machine.runs - before == 2
    assert sorted(entry["n"] for entry in Hosts().open(ctx, release(1).id).entries()) == list(range(-1, 9))


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("step", range(1, 13))
def test_a_host_goes_down_at_any_step_and_comes_back(laptop: Laptop, count: int, step: int) -> None:
    """Whichever command is its last, nothing acknowledged is lost, and the next write brings it up to date."""
    ctx = laptop(hosts=count)
    gone = ctx.machines["app-1"]

    def tamper(command: Command) -> Command:
        if gone.runs >= step:
            gone.down = True
            raise ProviderError("the connection to app-1 is gone")
        return command

    gone.tamper = tamper
    deploy(Hosts(), ctx, 1)
    assert gone.down
    assert "app-1" in said(ctx)
    again = laptop("two", count)
    again.machines["app-1"].down = True
    assert Hosts().releases(again) == (release(1),)
    assert len(Hosts().open(again, release(1).id).entries()) == 8
    if count == 2:
        assert "1 of 2 hosts tell the history" in said(again)

    back = laptop("three", count)
    state = Hosts()
    deploy(state, back, 2)
    assert re.search(r"app-1 was behind: \d+ files", said(back))
    assert files(back, "app-1") == files(back, "app-2")
    for other in list(back.machines)[1:]:
        back.machines[other].down = True
    assert [r.serial for r in state.releases(back)] == [1, 2]
    assert len(state.open(back, release(1).id).entries()) == 8


def test_a_minority_is_not_enough_to_record(laptop: Laptop) -> None:
    ctx, state = laptop(), Hosts()
    state.record(ctx, release(1))
    ctx.machines["app-1"].down = ctx.machines["app-2"].down = True
    with pytest.raises(ProviderError, match=r"kept on 1 hosts, and 2 of 3 must have it") as e:
        state.record(ctx, release(2))
    assert "app-1 does not answer" in e.value.detail
    assert "app-2 does not answer" in e.value.detail
    ctx.machines["app-3"].down = True
    with pytest.raises(ProviderError, match="no host of prod tells its history"):
        state.releases(ctx)


def test_what_a_minority_got_is_never_mistaken_for_what_came_after(laptop: Laptop) -> None:
    """The failed write may show up later or be overtaken; it never replaces one that was acknowledged."""
    ctx, state = laptop(), Hosts()
    state.record(ctx, release(1))
    ctx.machines["app-1"].down = ctx.machines["app-2"].down = True
    with pytest.raises(ProviderError):
        state.record(ctx, release(1, error="heard by app-3 alone"))
    ctx.machines["app-1"].down = ctx.machines["app-2"].down = False
    ctx.machines["app-3"].down = True
    state.record(ctx, release(1, error="heard by two"))
    ctx.machines["app-3"].down = False
    assert [r.error for r in Hosts().releases(laptop("two"))] == ["heard by two"]


def test_copies_that_diverged_are_told_apart_and_not_merged(laptop: Laptop) -> None:
    """Two laptops that each reached another half, and nobody's lease in between."""
    ctx = laptop(hosts=2)
    Hosts().record(ctx, release(1))
    for name, down in (("left", "app-2"), ("right", "app-1")):
        one = laptop(name, 2)
        one.machines[down].down = True
        Hosts().record(one, release(1, error=name))
        Hosts().open(one, release(1).id).append({"who": name})
    for ask in (Hosts().releases, lambda c: Hosts().open(c, release(1).id).entries()):
        with pytest.raises(StateCorrupt, match="app-1 and app-2 hold different") as e:
            ask(ctx)
        assert len(re.findall(r"app-[12]:/\S+/state/releases/rel-\S+", e.value.detail)) == 2
    before = files(ctx, "app-1"), files(ctx, "app-2")
    Hosts().record(ctx, release(2))
    for host, old in zip(("app-1", "app-2"), before, strict=True):
        assert {path: data for path, data in files(ctx, host).items() if path in old} == old, "none was touched"
    for path in e.value.detail.splitlines()[1:]:
        os.unlink(path.partition(":")[2])
    assert [entry["who"] for entry in Hosts().open(ctx, release(1).id).entries()] == ["left"]


@pytest.mark.parametrize("kind", ["release@*", "bundle/*@*", "journal"])
@pytest.mark.parametrize("harm", ["flip", "cut", "empty"])
def test_a_damaged_copy_is_named_not_used_and_healed_by_the_next_write(laptop: Laptop, kind: str, harm: str) -> None:
    ctx, state = laptop(), Hosts()
    deploy(state, ctx, 1)
    [file] = (ctx.machines["app-1"].folder / ".stagecraft/shop/prod/state/releases").glob(f"*/{kind}")
    data = file.read_bytes()
    broken = {"flip": data[:5] + bytes([data[5] ^ 1]) + data[6:], "cut": data[:-1], "empty": b""}[harm]
    file.write_bytes(broken)
    look = laptop("two")
    assert Hosts().releases(look) == (release(1),)
    assert Hosts().open(look, release(1).id).get("plan.json") == b"plan 1"
    assert len(Hosts().open(look, release(1).id).entries()) == 8
    assert file.read_bytes() == broken, "reading changes nothing"
    if kind == "release@*":
        assert f"app-1:{file} is damaged; the copy of app-2 is used" in said(look)
    deploy(Hosts(), look, 2)
    assert file.read_bytes() == data
    if kind != "journal" or harm == "flip":
        assert f"app-1:{file} is damaged; it is replaced" in said(look)
    assert files(look, "app-1") == files(look, "app-2")


def test_damage_that_no_copy_makes_good_is_named(laptop: Laptop) -> None:
    ctx, state = laptop(hosts=1), Hosts()
    deploy(state, ctx, 1)
    releases = ctx.machines["app-1"].folder / ".stagecraft/shop/prod/state/releases"
    for pattern in ("*/release@*", "*/bundle/*@*", "*/journal"):
        [file] = releases.glob(pattern)
        data = file.read_bytes()
        file.write_bytes(data[:7] + b"#" + data[8:])
    for ask in (
        lambda: state.releases(ctx),
        lambda: state.open(ctx, release(1).id).get("plan.json"),
        lambda: state.open(ctx, release(1).id).entries(),
        lambda: state.open(ctx, release(1).id).append({}),
    ):
        with pytest.raises(StateCorrupt, match=rf"app-1:{re.escape(str(releases))}\S+ is damaged") as e:
            ask()
        assert "left as it is" in e.value.hint


def test_an_older_copy_does_not_stand_in_for_a_damaged_newer_one(laptop: Laptop) -> None:
    ctx, state = laptop(hosts=2), Hosts()
    state.record(ctx, release(1))
    ctx.machines["app-2"].down = True
    state.record(ctx, release(1, error="newer"))
    ctx.machines["app-2"].down = False
    [file] = ctx.machines["app-1"].folder.rglob("release@*")
    file.write_bytes(b"{}")
    with pytest.raises(StateCorrupt, match="is damaged") as e:
        Hosts().releases(ctx)
    assert "app-2 has an older copy, which counts once you remove the damaged one" in e.value.hint
    file.unlink()
    assert Hosts().releases(ctx) == (release(1),)


@pytest.mark.parametrize("blocks", [0, 1])
def test_a_host_that_cannot_write_is_left_aside_and_keeps_what_it_had(laptop: Laptop, blocks: int) -> None:
    """A limit on the size of files stands in for a full disk: whatever is written, not all of it gets there."""
    ctx, state = laptop(), Hosts()
    deploy(state, ctx, 1)
    before = files(ctx, "app-2")

    def full(command: Command) -> Command:
        limited = ("sh", "-c", f'trap "" XFSZ; ulimit -f {blocks}; exec "$@"', "sh", *command.argv)
        return attrs.evolve(command, argv=limited)

    ctx.machines["app-2"].tamper = full
    state.open(ctx, release(1).id).put("big", b"x" * 5000)
    assert "app-2 misses what is recorded now" in said(ctx)
    after = files(ctx, "app-2")
    assert after == before
    ctx.machines["app-2"].tamper = lambda command: command
    deploy(Hosts(), ctx, 2)
    assert files(ctx, "app-2") == files(ctx, "app-1")


@pytest.mark.skipif(not shutil.which("busybox"), reason="BusyBox is not installed")
def test_busybox_is_enough_on_a_host(laptop: Laptop, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    subprocess.run(["busybox", "--install", "-s", str(tools)], check=True, capture_output=True)
    ctx = laptop(hosts=2)
    for machine in ctx.machines.values():
        machine.tamper = lambda c: attrs.evolve(c, argv=("env", f"PATH={tools}", *c.argv))
    deploy(Hosts(), ctx, 1)
    shutil.rmtree(ctx.machines["app-2"].folder)
    deploy(Hosts(), ctx, 2)
    assert Hosts().releases(ctx) == (release(1), release(2))
    assert files(ctx, "app-1") == files(ctx, "app-2")


def test_a_new_host_gets_the_history(laptop: Laptop) -> None:
    deploy(Hosts(), laptop(hosts=1), 1)
    ctx = laptop(hosts=3)
    deploy(Hosts(), ctx, 2)
    assert files(ctx, "app-1") == files(ctx, "app-2") == files(ctx, "app-3")
    assert re.search(r"app-2 was behind: 3 files", said(ctx))


def test_a_history_of_the_provider_local_is_pointed_to(laptop: Laptop) -> None:
    ctx = laptop()
    (ctx.root / ".stagecraft").mkdir()
    (ctx.root / ".stagecraft/releases.json").write_text('{"schema": 1, "releases": [{"environment": "prod"}]}')
    assert Hosts().releases(ctx) == ()
    assert "1 releases of prod are in .stagecraft/releases.json" in said(ctx)


@pytest.mark.parametrize("mode", ["before", "cut", "after"])
def test_a_writer_killed_at_every_command(memory: Path, mode: str, capsys: pytest.CaptureFixture[str]) -> None:
    """SIGKILL before, in the middle of (half of its input arrived) and after each command, on each of three hosts."""
    cases = 0
    for step in range(1, 100):
        root = memory / str(step)
        root.mkdir()
        acknowledged = killed_at(root, step, mode)
        if "record 2" in acknowledged:
            break
        cases += 1
        ctx = FolderContext(root, root / "hosts", 3)
        state = Hosts()
        store = state.open(ctx, release(1).id)
        assert len(state.releases(ctx)) >= ("record 1" in acknowledged), f"step {step}"
        assert store.get("plan.json") == b"plan" or "put" not in acknowledged, f"step {step}"
        assert len(store.entries()) >= max(map(int, filter(str.isdigit, acknowledged)), default=0), f"step {step}"
        state.record(ctx, release(2))
        assert files(ctx, "app-1") == files(ctx, "app-2") == files(ctx, "app-3"), f"step {step}"
    with capsys.disabled():
        print(f" {cases} kills, 0 lost, 0 unreadable", end="")
    assert cases >= 20


def killed_at(root: Path, step: int, mode: str) -> list[str]:
    """Write as a deploy does, in a process that dies at a command; return what it had acknowledged."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.setpgid(0, 0)
        try:
            os.close(read)
            write_until(FolderContext(root, root / "hosts", 3), step, mode, write)
        finally:
            os._exit(1)
    os.close(write)
    with open(read) as pipe:
        acknowledged = pipe.read().splitlines()
    os.waitpid(child, 0)
    with contextlib.suppress(ProcessLookupError):
        while True:  # what it had begun on other hosts ends by itself, as it would with the lease
            os.killpg(child, 0)
            time.sleep(0.005)
    return acknowledged


def write_until(ctx: FolderContext, step: int, mode: str, out: int) -> None:
    counter, lock = [0], threading.Lock()

    def tamper(command: Command) -> Command:
        with lock:
            counter[0] += 1
            mine = counter[0]
        if mine != step:
            return command
        for machine in ctx.machines.values():
            if command.argv[4].startswith(str(machine.folder)) and mode != "before":
                half = command.stdin if mode == "after" else (command.stdin or b"")[: len(command.stdin or b"") // 2]
                machine.tamper = lambda command: command
                machine.run(attrs.evolve(command, stdin=half))
        os.kill(os.getpid(), signal.SIGKILL)
        return command

    for machine in ctx.machines.values():
        machine.tamper = tamper
    state = Hosts()
    store = state.open(ctx, release(1).id)
    store.put("plan.json", b"plan")
    os.write(out, b"put\n")
    state.record(ctx, release(1))
    os.write(out, b"record 1\n")
    for n in range(3):
        store.append({"n": n})
        os.write(out, b"%d\n" % (n + 1))
    state.record(ctx, release(1, error="again"))
    os.write(out, b"record 2\n")
