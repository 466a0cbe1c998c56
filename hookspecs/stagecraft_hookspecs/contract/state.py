"""The contract suite of state providers: what is recorded stays, and one run at a time changes an environment."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest

from stagecraft_hookspecs.contract.base import ProviderContract
from stagecraft_hookspecs.contract.calls import Call
from stagecraft_hookspecs.contract.doubles import FakeContext, FakeMachine
from stagecraft_hookspecs.contract.others import Other
from stagecraft_hookspecs.contract.samples import release
from stagecraft_hookspecs.errors import LockHeld, StateCorrupt
from stagecraft_hookspecs.provider import Provider
from stagecraft_hookspecs.state import Holder, Lease, State
from stagecraft_hookspecs.values import OperationRecord, Phase, Status

ALICE = Holder("alice@laptop", "stagecraft deploy", "2025-01-02T03:04:05Z", 4711, "local")
BOB = Holder("bob@desk", "stagecraft rollback", "2025-01-02T03:04:06Z", 4712, "local")


class StateContract(ProviderContract):
    """Prove a state provider.

    ``here`` makes a context on the store under test: files below a folder unless it is overridden. Contexts that it makes for the
    same folder see the same store, from other instances and other processes too.
    """

    kind: ClassVar[str] = "state"
    base: ClassVar[type[Provider]] = State

    def here(self, root: Path, environment: str = "prod") -> Any:
        """Return a context on the store; the suite's other processes call it too, so it must need nothing but this."""
        return FakeContext(root, environment=environment, real_time=True)

    def damage(self, root: Path) -> bool:
        """Damage what was recorded below the root, and return True; False where a test cannot."""
        return False

    @pytest.fixture
    def ctx(self, tmp_path: Path) -> Any:
        """Return the context of the environment `prod`."""
        return self.here(tmp_path)

    @pytest.fixture
    def again(self, provider: Any) -> Any:
        """Return a second instance, as another run would make it."""
        return type(provider)(provider.config)

    @pytest.fixture
    def other(self, provider: Any, tmp_path: Path) -> Iterator[Other]:
        """Return another process with the same store, which is killed at the end."""
        with Other(provider, type(self), tmp_path) as other:
            yield other

    def context(self, root: Path, machine: FakeMachine) -> FakeContext:
        """Return a context in whose folder nothing can be made, because it lies below a file."""
        (root / "file").write_bytes(b"")
        return FakeContext(root / "file" / "project", machine=machine)

    def effects(self, ctx: FakeContext) -> tuple[Call, ...]:
        """Return calls of all five methods."""
        return (
            Call("releases", (ctx,)),
            Call("record", (ctx, release())),
            Call("open", (ctx, release().id)),
            Call("lock", (ctx, ALICE)),
            Call("holder", (ctx,)),
        )

    # Releases

    def test_there_is_nothing_at_first(self, provider: Any, ctx: Any) -> None:
        """Reading an empty store is no error and makes nothing."""
        assert provider.releases(ctx) == ()
        assert provider.holder(ctx) is None

    def test_a_release_comes_back_as_it_was(self, provider: Any, again: Any, ctx: Any) -> None:
        """Every field survives, for another instance."""
        records = (
            OperationRecord("build:api", Phase.BUILD, Status.COMPLETED, 1.25),
            OperationRecord("switch:app-1", Phase.ROLLOUT, Status.FAILED, 0.5, 'it said "no": über\nall'),
        )
        phases = {**dict.fromkeys(Phase, Status.SKIPPED), Phase.BUILD: Status.COMPLETED, Phase.ROLLOUT: Status.FAILED}
        kept = release(
            3,
            version="v1.2 ü",
            previous_id="rel-1",
            command="rollback",
            source_id="rel-0",
            phases=phases,
            operations=records,
            error="it said no",
            undone=True,
            downtime={"seconds": 0.25, "probes": [1, 2], "by": {"web": None}},
        )
        provider.record(ctx, kept)
        assert again.releases(ctx) == (kept,)
        assert list(again.releases(ctx)[0].phases) == list(Phase)

    def test_releases_are_ordered_by_serial(self, provider: Any, again: Any, ctx: Any) -> None:
        """The serial orders releases, not the clock, the id, or the order of recording."""
        for serial, at in ((2, "2025"), (10, "2023"), (1, "2024"), (9, "2026")):
            provider.record(ctx, release(serial, timestamp=f"{at}-01-01T00:00:00Z", id=f"rel-{at}0101-{serial:09d}"))
        assert [r.serial for r in again.releases(ctx)] == [1, 2, 9, 10]

    def test_recording_again_replaces(self, provider: Any, again: Any, ctx: Any) -> None:
        """A release is kept under its id, as last recorded; recording is safe to repeat."""
        running = dict.fromkeys(Phase, Status.PENDING)
        for phases in (running, running, release().phases):
            provider.record(ctx, release(phases=phases))
        assert again.releases(ctx) == (release(),)

    def test_environments_are_apart(self, provider: Any, ctx: Any, tmp_path: Path) -> None:
        """An environment sees its own releases only."""
        staging = self.here(tmp_path, "staging")
        provider.record(ctx, release(1))
        provider.record(staging, release(1, "staging", id="rel-20250103-000000001"))
        assert [r.environment for r in provider.releases(ctx)] == ["prod"]
        assert [r.environment for r in provider.releases(staging)] == ["staging"]

    def test_many_releases(self, provider: Any, again: Any, ctx: Any) -> None:
        """A long history is a history."""
        for serial in range(1, 41):
            provider.record(ctx, release(serial))
        assert [r.serial for r in again.releases(ctx)] == list(range(1, 41))

    def test_recorded_means_kept(self, provider: Any, ctx: Any, other: Other) -> None:
        """What another process recorded, put and appended is there although it was killed right afterwards."""
        other.start("record")
        other.kill_when("done")
        assert provider.releases(ctx) == (release(7),)
        store = provider.open(ctx, release(7).id)
        assert store.get("plan.json") == b"{}"
        assert [entry["n"] for entry in store.entries()] == [1, 2]

    def test_damage_is_named(self, provider: Any, again: Any, ctx: Any, tmp_path: Path) -> None:
        """A damaged store is an error that says so, not an empty history."""
        provider.record(ctx, release())
        if not self.damage(tmp_path):
            pytest.skip("override `damage` to have this checked")
        with pytest.raises(StateCorrupt):
            again.releases(ctx)

    # Bundles and journals

    def test_bundles_keep_files(self, provider: Any, again: Any, ctx: Any) -> None:
        """Files are kept byte for byte under their names, and listed sorted."""
        files = {
            "plan.json": b'{"a": 1}',
            "hosts/app-1/compose.yml": b"services: {}\n",
            "binary": bytes(range(256)),
            "empty": b"",
        }
        store = provider.open(ctx, release().id)
        for name, data in files.items():
            store.put(name, data)
        kept = again.open(ctx, release().id)
        assert kept.names() == tuple(sorted(files))
        assert {name: kept.get(name) for name in files} == files
        assert kept.get("no-such-file") is None

    def test_putting_again_replaces(self, provider: Any, again: Any, ctx: Any) -> None:
        """A file has the content that was put last."""
        store = provider.open(ctx, release().id)
        for data in (b"a long first content", b"short"):
            store.put("plan.json", data)
        assert again.open(ctx, release().id).get("plan.json") == b"short"
        assert again.open(ctx, release().id).names() == ("plan.json",)

    def test_journals_keep_their_order(self, provider: Any, again: Any, ctx: Any) -> None:
        """Entries come back equal and in the order of appending, from several stores of one release too."""
        entries: list[Mapping[str, Any]] = [
            {"op": "build:api", "event": "begin", "at": 1.5},
            {"op": "build:api", "event": "done", "result": {"digest": "sha256:ab", "lines": ["ü\n", None, True]}},
            {},
        ]
        for n, entry in enumerate(entries):
            (provider if n % 2 else again).open(ctx, release().id).append(entry)
        assert list(provider.open(ctx, release().id).entries()) == entries

    def test_releases_have_their_own(self, provider: Any, ctx: Any) -> None:
        """What belongs to one release is not another's; opening makes an empty one."""
        first = provider.open(ctx, release(1).id)
        first.put("plan.json", b"1")
        first.append({"n": 1})
        second = provider.open(ctx, release(2).id)
        assert (second.names(), second.entries(), second.get("plan.json")) == ((), (), None)

    # The lock

    def test_one_holder_at_a_time(self, provider: Any, again: Any, ctx: Any, tmp_path: Path) -> None:
        """While one holds the lock another is refused at once, and told by whom."""
        with provider.lock(ctx, ALICE), pytest.raises(LockHeld) as refusal, again.lock(self.here(tmp_path), BOB):
            raise AssertionError("two runs hold the lock")
        assert ALICE.who in f"{refusal.value.message} {refusal.value.hint} {refusal.value.detail}"

    def test_the_lock_is_released(self, provider: Any, again: Any, ctx: Any) -> None:
        """At the end, also by an exception, the lock is free."""
        with provider.lock(ctx, ALICE):
            pass
        with pytest.raises(ZeroDivisionError), provider.lock(ctx, ALICE):
            raise ZeroDivisionError
        with again.lock(ctx, BOB):
            pass

    def test_the_holder_is_known(self, provider: Any, again: Any, ctx: Any) -> None:
        """Everybody can see who holds the lock, and that nobody does."""
        with provider.lock(ctx, ALICE) as lease:
            assert isinstance(lease, Lease)
            assert lease.holder == ALICE
            assert lease.alive()
            assert again.holder(ctx) == ALICE
        assert again.holder(ctx) is None

    def test_reading_needs_no_lock(self, provider: Any, again: Any, ctx: Any) -> None:
        """History can be looked at while somebody deploys."""
        provider.record(ctx, release())
        with provider.lock(ctx, ALICE):
            assert again.releases(ctx) == (release(),)
            assert again.open(ctx, release().id).names() == ()

    def test_environments_have_their_own_locks(self, provider: Any, again: Any, ctx: Any, tmp_path: Path) -> None:
        """Two environments can be deployed at once."""
        with provider.lock(ctx, ALICE), again.lock(self.here(tmp_path, "staging"), BOB):
            assert again.holder(self.here(tmp_path, "staging")) == BOB
            assert again.holder(ctx) == ALICE

    def test_waiting_ends(self, provider: Any, again: Any, ctx: Any) -> None:
        """Who waits is refused when the time is up."""
        started = time.monotonic()
        with provider.lock(ctx, ALICE), pytest.raises(LockHeld), again.lock(ctx, BOB, 0.3):
            raise AssertionError("two runs hold the lock")
        assert 0.25 <= time.monotonic() - started < 10

    def test_waiting_is_rewarded(self, provider: Any, again: Any, ctx: Any, tmp_path: Path) -> None:
        """Who waits gets the lock when it is free."""
        held, got = threading.Event(), []

        def hold() -> None:
            with provider.lock(self.here(tmp_path), ALICE):
                held.set()
                time.sleep(0.3)

        thread = threading.Thread(target=hold)
        thread.start()
        assert held.wait(10)
        with again.lock(ctx, BOB, 20.0) as lease:
            got.append(lease.holder)
        thread.join()
        assert got == [BOB]

    def test_the_lock_excludes_other_processes(self, provider: Any, ctx: Any, other: Other) -> None:
        """Another process that holds the lock is seen and respected; when it is killed, the lock is free."""
        other.start("hold")
        other.wait_for("held")
        with pytest.raises(LockHeld), provider.lock(ctx, BOB):
            raise AssertionError("two processes hold the lock")
        holder = provider.holder(ctx)
        assert holder is not None
        assert (holder.who, holder.command) == (ALICE.who, ALICE.command)
        other.kill()
        with provider.lock(ctx, BOB, 20.0):
            assert provider.holder(ctx) == BOB
