"""A release's bundle and journal, under any sequence of writes, crashes and new starts."""

from __future__ import annotations

import json
import subprocess
import tempfile
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from stagecraft_hookspecs.errors import StateCorrupt, UserError
from stagecraft_hookspecs.values import Release
from stagecraft_local.state import Local

ID = "rel-20250102-030405006"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@pytest.fixture
def store(state: Local, ctx: Any) -> Any:
    return state.open(ctx, ID)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / ".stagecraft" / "releases" / ID


def test_a_bundle_gives_back_what_was_put(store: Any) -> None:
    store.put("config.json", b"{}")
    store.put("compose/app-1.yaml", b"\0\xff\n" * 1000)
    store.put("empty", b"")
    assert store.names() == ("compose/app-1.yaml", "config.json", "empty")
    assert store.get("compose/app-1.yaml") == b"\0\xff\n" * 1000
    assert store.get("empty") == b""
    assert store.get("missing") is None


def test_a_file_put_again_is_replaced_and_leaves_nothing_behind(store: Any, folder: Path) -> None:
    for n in range(5):
        store.put("a", b"%d" % n)
        assert store.get("a") == b"%d" % n
        assert len(list((folder / "bundle").iterdir())) == 1


@pytest.mark.parametrize("name", ["../../x", "/etc/passwd", "..", ".lock", "a\0b", "ü~", "C:\\x", "%2F", "a b\n"])
def test_no_name_leaves_the_bundle(store: Any, folder: Path, name: str) -> None:
    store.put(name, b"x")
    assert store.names() == (name,)
    assert store.get(name) == b"x"
    [file] = (folder / "bundle").iterdir()
    assert set(file.name).isdisjoint("/\0\\\n ~") and not file.name.startswith(".")


@pytest.mark.parametrize("name", ["", "x" * 201, "é" * 40])
def test_a_name_that_no_disk_takes_is_refused(store: Any, name: str) -> None:
    with pytest.raises(UserError, match="cannot name a file of a bundle"):
        store.put(name, b"x")


def test_the_journal_has_this_format(store: Any, folder: Path) -> None:
    store.append({"operation": "build:api", "status": "running"})
    store.append({"operation": "build:api", "status": "completed", "seconds": 1.5, "note": "é\n"})
    assert (folder / "journal.jsonl").read_bytes() == (
        b'{"v":1,"n":1,"crc32":"d9e2ebe0","entry":{"operation":"build:api","status":"running"}}\n'
        b'{"v":1,"n":2,"crc32":"1ffa2ecc","entry":'
        b'{"operation":"build:api","status":"completed","seconds":1.5,"note":"\\u00e9\\n"}}\n'
    )


def test_the_list_of_a_bundle_has_this_format(store: Any, folder: Path) -> None:
    store.put("compose.yaml", b"services: {}\n")
    assert (folder / "bundle.json").read_text() == (
        '{"schema": 1, '
        '"checksum": "sha256:bdd96f7c9ee940f712024ee54aa1ea319bf1f6022f9d1ed8cdfb398dd0ea5727", "files": {\n'
        '"compose.yaml": {"file": "compose.yaml", "size": 13, '
        '"sha256": "fa6ccea1ca4e3a031d9e99f25cc05db803aa9bac642c000ddab14f6d9da54b52"}\n'
        "}}\n"
    )


def test_a_torn_record_is_left_out_and_healed(state: Local, ctx: Any, store: Any, folder: Path) -> None:
    """Cut the journal at every byte: whole records stay, and the next append goes on after them."""
    file = folder / "journal.jsonl"
    for n in range(3):
        store.append({"n": n})
    whole = file.read_bytes()
    ends = [i + 1 for i, byte in enumerate(whole) if byte == 10]
    for length in range(len(whole) + 1):
        file.write_bytes(whole[:length])
        kept = sum(end <= length for end in ends)
        fresh = state.open(ctx, ID)
        assert [e["n"] for e in fresh.entries()] == list(range(kept))
        assert file.stat().st_size == length, "reading changes nothing"
        fresh.append({"n": "next"})
        assert [e["n"] for e in fresh.entries()] == [*range(kept), "next"]


@pytest.mark.parametrize("tail", [b"\0" * 80, b"\0" * 4096 + b'"status":"running"}}\n', b'{"v":1,"n":2,'])
def test_blocks_that_a_power_cut_left_unwritten_are_healed(
    state: Local, ctx: Any, store: Any, folder: Path, tail: bytes
) -> None:
    store.append({"n": 1})
    with open(folder / "journal.jsonl", "ab") as f:
        f.write(tail)
    assert len(state.open(ctx, ID).entries()) == 1
    store.append({"n": 2})
    assert [e["n"] for e in state.open(ctx, ID).entries()] == [1, 2]


def test_damage_elsewhere_is_named_with_its_place_and_a_next_step(
    state: Local, ctx: Any, store: Any, folder: Path, tmp_path: Path
) -> None:
    for n in range(3):
        store.append({"n": n})
    file = folder / "journal.jsonl"
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(lines[0] + lines[1].replace(b'"n":1}', b'"n":7}') + lines[2])
    text = rf"^\.stagecraft/releases/{ID}/journal\.jsonl is damaged at byte {len(lines[0])}: the checksum of record 2 "
    with pytest.raises(StateCorrupt, match=text) as e:
        store.entries()
    with pytest.raises(StateCorrupt):
        state.open(ctx, ID).append({"n": 3})
    subprocess.run(e.value.hint.split("`")[1], shell=True, cwd=tmp_path, check=True)
    assert [entry["n"] for entry in store.entries()] == [0]


@pytest.mark.parametrize("order", [(0, 2), (0, 1, 1), (1, 0), (0, 2, 1)])
def test_a_record_that_is_missing_doubled_or_moved_is_detected(
    store: Any, folder: Path, order: tuple[int, ...]
) -> None:
    for n in range(3):
        store.append({"n": n})
    file = folder / "journal.jsonl"
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(lines[i] for i in order))
    with pytest.raises(StateCorrupt):
        store.entries()


def test_threads_and_other_stores_append_to_one_journal(state: Local, ctx: Any) -> None:
    shared = state.open(ctx, ID)

    def work(store: Any, name: str) -> None:
        for n in range(20):
            store.append({"who": name, "n": n})
            store.put(f"{name}-{n % 2}", b"%d" % n)

    stores = [shared, shared, state.open(ctx, ID), state.open(ctx, ID)]
    threads = [threading.Thread(target=work, args=(s, f"t{i}")) for i, s in enumerate(stores)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    entries = state.open(ctx, ID).entries()
    assert sorted((e["who"], e["n"]) for e in entries) == [(f"t{i}", n) for i in range(4) for n in range(20)]
    assert {name: shared.get(name) for name in shared.names()} == {
        f"t{i}-{k}": b"%d" % (18 + k) for i in range(4) for k in range(2)
    }


def test_a_secret_cannot_be_journalled_by_mistake(store: Any) -> None:
    from stagecraft_hookspecs.values import Secret

    with pytest.raises(TypeError, match="not JSON serializable"):
        store.append({"password": Secret("PASSWORD", "hunter2")})
    assert store.entries() == ()


class AnySequence(RuleBasedStateMachine):
    """Compare the provider with plain dicts and lists while processes come, crash and go."""

    @initialize()
    def begin(self) -> None:
        self.temporary = tempfile.TemporaryDirectory()
        self.root = Path(self.temporary.name)
        self.ctx: Any = SimpleNamespace(root=self.root, environment="prod")
        self.releases: dict[str, Release] = {}
        self.files: dict[str, bytes] = {}
        self.entries: list[Any] = []
        self.start_again()

    @rule()
    def start_again(self) -> None:
        self.state = Local()
        self.store = self.state.open(self.ctx, ID)

    @rule(serial=st.integers(1, 5), version=st.text(max_size=5), error=st.text(max_size=5))
    def record(self, serial: int, version: str, error: str) -> None:
        release = Release(f"rel-{serial}", serial, "prod", version, error=error)
        self.state.record(self.ctx, release)
        self.releases[release.id] = release

    @rule(name=st.sampled_from(["a", "b/c", "d.json"]), data=st.binary(max_size=20))
    def put(self, name: str, data: bytes) -> None:
        self.store.put(name, data)
        self.files[name] = data

    @rule(entry=st.dictionaries(st.text(), JSON, max_size=3))
    def append(self, entry: dict[str, Any]) -> None:
        self.store.append(entry)
        self.entries.append(json.loads(json.dumps(entry)))

    @rule(part=st.floats(0, 0.999))
    def crash_while_appending(self, part: float) -> None:
        file = self.root / ".stagecraft" / "releases" / ID / "journal.jsonl"
        if not self.entries:
            return
        line = file.read_bytes().splitlines(keepends=True)[-1]
        with open(file, "ab") as f:
            f.write(line[: int(len(line) * part)])

    @rule(name=st.sampled_from(["releases.json.tmp", "releases.json.last-good.tmp"]), data=st.binary(max_size=9))
    def crash_while_recording(self, name: str, data: bytes) -> None:
        folder = self.root / ".stagecraft"
        folder.mkdir(exist_ok=True)
        (folder / name).write_bytes(data)

    @rule(name=st.sampled_from(["a", "a~", "d.json", "d.json~"]), data=st.binary(max_size=9))
    def crash_while_putting(self, name: str, data: bytes) -> None:
        if self.files.get(name.rstrip("~")) is None:
            return
        listed = (self.root / ".stagecraft" / "releases" / ID / "bundle.json").read_text()
        if f'"file": "{name}"' not in listed:
            (self.root / ".stagecraft" / "releases" / ID / "bundle" / name).write_bytes(data)

    @invariant()
    def all_that_was_acknowledged_is_there(self) -> None:
        if not hasattr(self, "state"):
            return
        assert self.state.releases(self.ctx) == tuple(sorted(self.releases.values(), key=lambda r: r.serial))
        assert self.store.names() == tuple(sorted(self.files))
        assert {name: self.store.get(name) for name in self.files} == self.files
        assert list(self.store.entries()) == self.entries

    def teardown(self) -> None:
        if hasattr(self, "temporary"):
            self.temporary.cleanup()


TestAnySequence = AnySequence.TestCase
TestAnySequence.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
