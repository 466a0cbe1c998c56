"""Every changed byte of a saved state is detected, or changes nothing that is read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from stagecraft_hookspecs.errors import Refused, StateCorrupt
from stagecraft_local.state import Local


@pytest.fixture
def saved(state: Local, ctx: Any, release: Any, tmp_path: Path) -> Path:
    """Save one release with a bundle of two files and a journal of three records."""
    state.record(ctx, release(1))
    store = state.open(ctx, release(1).id)
    store.put("compose/app-1.yaml", b"services: {api: {image: api}}\n")
    store.put("config.json", b"{}")
    for n in range(3):
        store.append({"operation": f"build:api{n}", "status": "running"})
    return tmp_path / ".stagecraft"


def everything(state: Local, ctx: Any) -> Any:
    """Read all that can be read."""
    releases = state.releases(ctx)
    store = state.open(ctx, "rel-20250102-000000001")
    return releases, store.names(), [store.get(n) for n in store.names()], store.entries()


def flips(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield ``data`` with each byte changed twice: one of its bits, and to zero, newline or the other case."""
    for place, byte in enumerate(data):
        for other in {byte ^ (1 << place % 8), (0, 10, byte ^ 32)[place % 3]} - {byte}:
            yield place, data[:place] + bytes([other]) + data[place + 1 :]


@pytest.mark.parametrize(
    "name", ["releases.json", "journal.jsonl", "bundle.json", "compose%2Fapp-1.yaml", "config.json"]
)
def test_every_flipped_byte_is_detected(state: Local, ctx: Any, saved: Path, name: str) -> None:
    [file] = saved.rglob(name)
    whole, truth = file.read_bytes(), everything(state, ctx)
    for place, damaged in flips(whole):
        file.write_bytes(damaged)
        with pytest.raises(StateCorrupt) as e:
            everything(state, ctx)
        assert name in e.value.message, place
        assert e.value.hint
        assert file.read_bytes() == damaged
    file.write_bytes(whole)
    assert everything(state, ctx) == truth


@pytest.mark.parametrize("name", ["releases.json", "bundle.json", "compose%2Fapp-1.yaml", "config.json"])
def test_every_cut_of_a_file_written_whole_is_detected(state: Local, ctx: Any, saved: Path, name: str) -> None:
    [file] = saved.rglob(name)
    whole = file.read_bytes()
    for length in range(len(whole)):
        file.write_bytes(whole[:length])
        with pytest.raises(StateCorrupt):
            everything(state, ctx)


@pytest.mark.parametrize("name", ["compose%2Fapp-1.yaml", "config.json"])
def test_a_missing_file_of_a_bundle_is_detected(state: Local, ctx: Any, saved: Path, name: str) -> None:
    next(saved.rglob(name)).unlink()
    with pytest.raises(StateCorrupt, match="it is missing"):
        everything(state, ctx)


def test_damage_to_one_release_spares_the_others(state: Local, ctx: Any, release: Any, saved: Path) -> None:
    next(saved.rglob("bundle.json")).write_bytes(b"junk")
    other = state.open(ctx, release(2).id)
    other.put("config.json", b"[]")
    assert other.get("config.json") == b"[]"
    with pytest.raises(StateCorrupt, match="damaged at byte 0") as e:
        state.open(ctx, release(1).id).put("config.json", b"new")
    assert "stagecraft releases list" in e.value.hint


def test_the_last_good_copy_is_not_needed_for_reading(state: Local, ctx: Any, release: Any, saved: Path) -> None:
    (saved / "releases.json.last-good").write_bytes(b"junk")
    assert state.releases(ctx) == (release(1),)
    state.record(ctx, release(2))
    assert (saved / "releases.json.last-good").read_bytes() == (saved / "releases.json").read_bytes()


def test_a_newer_bundle_or_journal_is_refused(state: Local, ctx: Any, release: Any, saved: Path) -> None:
    from stagecraft_local import envelope, journal

    store = state.open(ctx, release(1).id)
    next(saved.rglob("bundle.json")).write_bytes(envelope.seal(b'"packed": []}', schema=3))
    next(saved.rglob("journal.jsonl")).write_bytes(journal.render(1, b'{"other":1}', version=2))
    with pytest.raises(Refused, match=r"bundle\.json has schema 3"):
        store.names()
    with pytest.raises(Refused, match=r"journal\.jsonl has schema 2"):
        store.entries()
