"""What is recorded is found again, in a file whose format is fixed."""

from __future__ import annotations

import json
import multiprocessing
import stat
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import attrs
import pytest
from stagecraft_hookspecs.errors import ProviderError, Refused, StateCorrupt, UserError
from stagecraft_hookspecs.values import OperationRecord, Phase, Release, Status
from stagecraft_local import envelope
from stagecraft_local.state import Local


def test_without_a_file_there_are_no_releases_and_nothing_is_made(state: Local, ctx: Any, tmp_path: Path) -> None:
    assert state.releases(ctx) == ()
    assert state.holder(ctx) is None
    assert state.open(ctx, "rel-1").names() == ()
    assert state.open(ctx, "rel-1").entries() == ()
    assert list(tmp_path.iterdir()) == []


def test_a_recorded_release_is_read_back_equal(state: Local, ctx: Any, release: Any) -> None:
    first, second = release(1), release(2, version="naïve \ud800 \U0001f680", error="no\nluck", undone=True)
    state.record(ctx, second)
    state.record(ctx, first)
    assert state.releases(ctx) == (first, second)


def test_recording_the_same_id_replaces_it_and_is_safe_to_repeat(state: Local, ctx: Any, release: Any) -> None:
    state.record(ctx, release(1, phases=dict.fromkeys(Phase, Status.PENDING)))
    state.record(ctx, release(2))
    done = release(1)
    state.record(ctx, done)
    state.record(ctx, done)
    assert state.releases(ctx) == (done, release(2))


def test_serial_numbers_order_releases_and_clocks_do_not(state: Local, ctx: Any, release: Any) -> None:
    late = release(1, id="rel-20300101-000000000", timestamp="2030-01-01T00:00:00Z")
    state.record(ctx, late)
    state.record(ctx, release(2))
    assert [r.serial for r in state.releases(ctx)] == [1, 2]


def test_environments_share_the_file_and_see_only_their_own(state: Local, context: Any, release: Any) -> None:
    prod, staging = context(environment="prod"), context(environment="staging")
    state.record(prod, release(1))
    state.record(staging, release(7, environment="staging"))
    assert [r.serial for r in state.releases(prod)] == [1]
    assert [r.serial for r in state.releases(staging)] == [7]


def test_the_file_has_this_format(state: Local, ctx: Any, tmp_path: Path) -> None:
    state.record(
        ctx,
        Release(
            "rel-20250102-030405006",
            1,
            "prod",
            "v1",
            commit="0123abc-dirty",
            who="alice@laptop",
            timestamp="2025-01-02T03:04:05Z",
            phases=dict.fromkeys(Phase, Status.PENDING),
            operations=(OperationRecord("build:api", Phase.BUILD, Status.FAILED, 1.5, "no such file"),),
        ),
    )
    row = (
        '{"id": "rel-20250102-030405006", "serial": 1, "environment": "prod", "version": "v1", '
        '"commit_sha": "0123abc-dirty", "timestamp": "2025-01-02T03:04:05Z", "who": "alice@laptop", '
        '"command": "deploy", "previous_id": "", "source_id": "", "phases": {"build": "pending", "push": "pending", '
        '"migrate_pre": "pending", "rollout": "pending", "migrate_post": "pending", "finalize": "pending"}, '
        '"operations": [{"id": "build:api", "phase": "build", "status": "failed", "seconds": 1.5, '
        '"error": "no such file"}], "error": "", "undone": false, "downtime": {}}'
    )
    checksum = "5aa2fa6620c653abecf9a411efdc7e725d1623cebf356599d38eed51c6f061e8"
    expected = f'{{"schema": 1, "checksum": "sha256:{checksum}", "releases": [\n{row}\n]}}\n'
    folder = tmp_path / ".stagecraft"
    assert (folder / "releases.json").read_text() == expected
    assert (folder / "releases.json.last-good").read_text() == expected


def test_keys_of_a_later_version_are_kept(state: Local, ctx: Any, release: Any, tmp_path: Path) -> None:
    state.record(ctx, release(1))
    file = tmp_path / ".stagecraft" / "releases.json"
    content = json.loads(file.read_bytes())
    content["releases"][0]["approved_by"] = "bob"
    file.write_bytes(envelope.seal(b'"releases": ' + json.dumps(content["releases"]).encode() + b"}"))
    assert state.releases(ctx) == (release(1),)
    state.record(ctx, release(1, error="later"))
    state.record(ctx, release(2))
    assert json.loads(file.read_bytes())["releases"][0]["approved_by"] == "bob"


def test_a_newer_schema_is_refused_and_left_alone(state: Local, ctx: Any, release: Any, tmp_path: Path) -> None:
    state.record(ctx, release(1))
    file = tmp_path / ".stagecraft" / "releases.json"
    newer = envelope.seal(b'"history": {"shape": "other"}}', schema=2)
    file.write_bytes(newer)
    with pytest.raises(Refused, match=r"^\.stagecraft/releases\.json has schema 2; this version reads schema 1$") as e:
        state.releases(ctx)
    assert "pip install --upgrade stagecraft-local" in e.value.hint
    with pytest.raises(Refused):
        state.record(ctx, release(2))
    assert file.read_bytes() == newer


def test_the_folder_is_private_and_unknown_to_git(state: Local, ctx: Any, release: Any, tmp_path: Path) -> None:
    (tmp_path / ".stagecraft" / "hooks").mkdir(parents=True)
    (tmp_path / ".stagecraft" / "hooks" / "build-before").write_text("#!/bin/sh\n")
    state.record(ctx, release(1))
    state.open(ctx, release(1).id).put("compose.yaml", b"services: {}\n")
    state.open(ctx, release(1).id).append({"op": "x"})
    folder = tmp_path / ".stagecraft"
    private = [p for p in folder.rglob("*") if "hooks" not in p.parts]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(p.stat().st_mode) for p in private} == {0o600, 0o700}
    assert {p.is_dir() for p in private if p.stat().st_mode & 0o100} == {True}
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    shown = subprocess.run(
        ["git", "-C", str(tmp_path), "status", "--porcelain", "-uall"], check=True, capture_output=True, text=True
    )
    assert shown.stdout == "?? .stagecraft/hooks/build-before\n"


def test_another_place_can_be_named(
    state: Local, ctx: Any, release: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "shared"
    elsewhere.mkdir(mode=0o755)
    elsewhere.chmod(0o755)
    monkeypatch.setenv("STAGECRAFT_STATE_FILE", "shared/shop.json")
    state.record(ctx, release(1))
    state.open(ctx, release(1).id).put("a", b"1")
    assert state.releases(ctx) == (release(1),)
    assert (elsewhere / "shop.json").is_file()
    assert (elsewhere / "releases" / release(1).id / "bundle" / "a").read_bytes() == b"1"
    assert not (tmp_path / ".stagecraft").exists()
    assert not (elsewhere / ".gitignore").exists(), "a folder that is not ours keeps its own rules"
    assert stat.S_IMODE(elsewhere.stat().st_mode) == 0o755


def test_the_place_may_not_be_a_folder(
    state: Local, ctx: Any, release: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAGECRAFT_STATE_FILE", str(tmp_path))
    with pytest.raises(ProviderError, match="is a directory") as e:
        state.releases(ctx)
    assert "STAGECRAFT_STATE_FILE" in e.value.hint


def test_a_link_that_leaves_the_project_is_refused(state: Local, ctx: Any, release: Any, tmp_path: Path) -> None:
    target = tmp_path.parent / "outside"
    target.mkdir()
    (tmp_path / ".stagecraft").symlink_to(target)
    with pytest.raises(Refused, match="outside the project"):
        state.record(ctx, release(1))
    assert list(target.iterdir()) == []


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../x", "a/b", "/etc/passwd", "-rf", ".x", "a\0b", "a\nb", "é", "x" * 129]
)
def test_an_id_is_one_plain_name(state: Local, ctx: Any, release: Any, context: Any, name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot name a file"):
        state.open(ctx, name)
    with pytest.raises(UserError, match="cannot name a file"):
        state.record(ctx, release(1, id=name))
    with pytest.raises(UserError, match="cannot name a file"):
        state.holder(context(environment=name))
    assert list(tmp_path.iterdir()) == []


def test_a_missing_file_beside_its_copy_is_not_an_empty_history(
    state: Local, ctx: Any, release: Any, tmp_path: Path
) -> None:
    state.record(ctx, release(1))
    (tmp_path / ".stagecraft" / "releases.json").unlink()
    with pytest.raises(StateCorrupt, match="it is missing") as e:
        state.record(ctx, release(2))
    assert follow(e.value.hint, tmp_path)
    assert state.releases(ctx) == (release(1),)


def test_the_hint_of_a_cut_file_restores_everything(state: Local, ctx: Any, release: Any, tmp_path: Path) -> None:
    for serial in range(1, 6):
        state.record(ctx, release(serial))
    file = tmp_path / ".stagecraft" / "releases.json"
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(StateCorrupt, match=r"^\.stagecraft/releases\.json is damaged at byte \d+: ") as e:
        state.releases(ctx)
    assert "the last good copy has 5 releases" in e.value.hint
    with pytest.raises(StateCorrupt):
        state.record(ctx, release(6))
    assert file.read_bytes() == whole[: len(whole) // 2], "never silently replaced"
    assert follow(e.value.hint, tmp_path)
    assert len(state.releases(ctx)) == 5


def test_with_both_copies_damaged_the_hint_begins_anew(state: Local, ctx: Any, release: Any, tmp_path: Path) -> None:
    state.record(ctx, release(1))
    file = tmp_path / ".stagecraft" / "releases.json"
    file.write_bytes(b"")
    file.with_name("releases.json.last-good").write_bytes(b"\0" * 100)
    with pytest.raises(StateCorrupt, match="it is empty") as e:
        state.releases(ctx)
    assert follow(e.value.hint, tmp_path)
    assert state.releases(ctx) == ()
    state.record(ctx, release(1))


def test_a_changed_byte_is_named_by_its_place(state: Local, ctx: Any, release: Any, tmp_path: Path) -> None:
    state.record(ctx, release(1))
    file = tmp_path / ".stagecraft" / "releases.json"
    data = file.read_bytes()
    place = data.index(b"alice")
    file.write_bytes(data[:place] + b"m" + data[place + 1 :])
    with pytest.raises(StateCorrupt, match=f"damaged at byte {place}: its checksum does not match"):
        state.releases(ctx)


def record_many(root: Path, environment: str, first: int, count: int) -> None:
    state, ctx = Local(), SimpleNamespace(root=root, environment=environment)
    for serial in range(first, first + count):
        state.record(ctx, Release(f"rel-{environment}-{serial}", serial, environment, "v"))  # type: ignore[arg-type]


def test_writers_that_ignore_the_lock_still_lose_nothing(state: Local, context: Any, tmp_path: Path) -> None:
    """Two environments deploy in parallel by right; two deploys of one environment only by mistake."""
    start = multiprocessing.get_context("spawn").Process
    work = [("prod", 1), ("prod", 101), ("staging", 1), ("staging", 101)]
    writers = [start(target=record_many, args=(tmp_path, environment, first, 25)) for environment, first in work]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert [w.exitcode for w in writers] == [0, 0, 0, 0]
    for environment in ("prod", "staging"):
        serials = [r.serial for r in state.releases(context(environment=environment))]
        assert serials == [*range(1, 26), *range(101, 126)]


def test_a_release_that_is_not_json_is_not_written(state: Local, ctx: Any, release: Any) -> None:
    state.record(ctx, release(1))
    with pytest.raises(ValueError, match="JSON"):
        state.record(ctx, attrs.evolve(release(2), downtime={"seconds": float("nan")}))
    assert state.releases(ctx) == (release(1),)


def follow(hint: str, root: Path) -> bool:
    """Do what the hint says between its backquotes."""
    command = hint.split("`")[1]
    return subprocess.run(command, shell=True, cwd=root, check=False).returncode == 0


def test_a_copy_that_a_killed_writer_left_behind_catches_up_with_the_next_run(
    state: Local, ctx: Any, release: Any, tmp_path: Path
) -> None:
    from stagecraft_hookspecs.state import Holder

    state.record(ctx, release(1))
    file, copy = (next(tmp_path.rglob(name)) for name in ("releases.json", "releases.json.last-good"))
    behind = copy.read_bytes()
    state.record(ctx, release(2))
    copy.write_bytes(behind)
    with state.lock(ctx, Holder("me@here", "deploy")):
        assert copy.read_bytes() == file.read_bytes()
    file.write_bytes(b"cut off")
    with state.lock(ctx, Holder("me@here", "deploy")):
        assert copy.read_bytes() != b"cut off", "a damaged file never becomes the last good copy"
