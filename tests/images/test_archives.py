"""Archives of images: every layout that engines write is read, and what is written is what they load."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import tarfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from stagecraft.images.portions import LABEL, cuts, portion
from stagecraft.images.saved import Saved, read_archive
from stagecraft.images.stream import archive, archive_size, gathered

LAYERS = (b"base" * 500, b"middle" * 100, b"top")


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def config(*layers: bytes) -> bytes:
    diff_ids = [f"sha256:{sha(layer)}" for layer in layers]
    return json.dumps({"os": "linux", "architecture": "amd64", "rootfs": {"diff_ids": diff_ids}}).encode()


def tar(files: dict[str, bytes], links: dict[str, str] | None = None) -> Iterator[bytes]:
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as archived:
        for name, target in (links or {}).items():
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            archived.addfile(entry)
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archived.addfile(entry, io.BytesIO(data))
    data = whole.getvalue()
    return (data[n : n + 700] for n in range(0, len(data), 700))


def old_layout(*layers: bytes) -> Iterator[bytes]:
    """As engines before 25.0 save: a folder for each layer."""
    about = config(*layers)
    listed = [
        {"Config": f"{sha(about)}.json", "RepoTags": None, "Layers": [f"{n}/layer.tar" for n in range(len(layers))]}
    ]
    files = {f"{n}/layer.tar": layer for n, layer in enumerate(layers)}
    return tar({**files, f"{sha(about)}.json": about, "manifest.json": json.dumps(listed).encode()})


@pytest.fixture
def saved(tmp_path: Path) -> Saved:
    return read_archive(old_layout(*LAYERS), tmp_path)


def entries(data: Iterator[bytes]) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(b"".join(data))) as read:
        return {m.name: read.extractfile(m).read() for m in read}  # type: ignore[union-attr]


def test_an_old_layout_becomes_blobs_named_by_content(saved: Saved) -> None:
    assert [b"".join(layer.pieces()) for layer in saved.layers] == list(LAYERS)
    assert [layer.digest for layer in saved.layers] == list(saved.diff_ids)
    assert saved.platform == "linux/amd64"
    manifest = json.loads(saved.manifest.path.read_bytes())
    assert manifest["config"]["digest"] == saved.config.digest == f"sha256:{sha(config(*LAYERS))}"


def test_a_layer_that_an_old_layout_links_is_found(tmp_path: Path) -> None:
    about = config(b"same", b"same")
    listed = [{"Config": "c.json", "RepoTags": None, "Layers": ["a/layer.tar", "b/layer.tar"]}]
    files = {"a/layer.tar": b"same", "c.json": about, "manifest.json": json.dumps(listed).encode()}

    saved = read_archive(tar(files, {"b/layer.tar": "../a/layer.tar"}), tmp_path)

    assert [layer.digest for layer in saved.layers] == [f"sha256:{sha(b'same')}"] * 2


def test_what_is_written_can_be_read_again_with_the_same_manifest(saved: Saved, tmp_path: Path) -> None:
    (tmp_path / "again").mkdir()

    again = read_archive(archive(saved), tmp_path / "again")

    assert again.manifest.digest == saved.manifest.digest
    assert again.layers[0].path.parent != saved.layers[0].path.parent
    assert [layer.digest for layer in again.layers] == [layer.digest for layer in saved.layers]


@pytest.mark.parametrize("skip", [0, 1, 3])
def test_layers_that_a_host_has_are_left_out_and_still_named(saved: Saved, skip: int) -> None:
    data = b"".join(archive(saved, skip))
    found = entries(iter([data]))

    names = [f"blobs/sha256/{sha(layer)}" for layer in LAYERS]
    assert [name in found for name in names] == [n >= skip for n in range(3)]
    assert json.loads(found["manifest.json"])[0]["Layers"] == names
    assert json.loads(found["index.json"])["manifests"][0]["digest"] == saved.manifest.digest
    assert len(data) == archive_size(saved, skip)


def test_layers_that_nobody_will_read_are_not_written(saved: Saved, tmp_path: Path) -> None:
    (tmp_path / "again").mkdir()

    again = read_archive(archive(saved), tmp_path / "again", without=saved.diff_ids[:2])

    assert [layer.path.exists() for layer in again.layers] == [False, False, True]
    assert [again.holds(skip) for skip in range(4)] == [False, False, True, True]
    assert again.size == saved.size
    assert b"".join(archive(again, 2)) == b"".join(archive(saved, 2))


def test_a_damaged_blob_is_refused(saved: Saved, tmp_path: Path) -> None:
    files = entries(archive(saved))
    name = f"blobs/sha256/{sha(LAYERS[1])}"
    files[name] = files[name].replace(b"m", b"n", 1)
    (tmp_path / "other").mkdir()

    with pytest.raises(ValueError, match="is damaged"):
        read_archive(tar(files), tmp_path / "other")


def test_an_archive_without_an_image_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no image"):
        read_archive(tar({"hello": b"world"}), tmp_path)


def test_compressed_layers_are_declared_so(tmp_path: Path) -> None:
    about = config(b"x")
    listed = [{"Config": "c", "RepoTags": None, "Layers": ["l"]}]
    packed = b"\x1f\x8b\x08 and so on"

    saved = read_archive(tar({"c": about, "l": packed, "manifest.json": json.dumps(listed).encode()}), tmp_path)

    assert saved.layers[0].kind == "application/vnd.oci.image.layer.v1.tar+gzip"


@pytest.mark.parametrize(
    ("sizes", "skip", "ends"),
    [
        ([10, 10, 10], 0, (3,)),
        ([40, 1, 1], 0, (1, 3)),
        ([20, 20, 40, 5], 0, (2, 3, 4)),
        ([40, 20, 20, 5], 1, (3, 4)),
        ([1, 40], 0, (2,)),
        ([40, 40], 2, (2,)),
    ],
)
def test_portions_end_where_enough_was_gathered(sizes: list[int], skip: int, ends: tuple[int, ...]) -> None:
    assert cuts(sizes, skip, enough=32) == ends


def test_a_portion_is_an_image_of_the_first_layers_that_says_whose_it_is(saved: Saved) -> None:
    part = portion(saved, 2, "shop/prod")

    about = json.loads(part.config.path.read_bytes())
    assert about["rootfs"]["diff_ids"] == list(saved.diff_ids[:2])
    assert about["config"]["Labels"] == {LABEL: "shop/prod"}
    assert part.layers == saved.layers[:2]
    assert portion(saved, 2, "shop/prod") == part


def test_pieces_are_gathered_and_none_is_lost() -> None:
    pieces = list(gathered((b"ab" for _ in range(7)), 5))

    assert b"".join(pieces) == b"ab" * 7
    assert [len(piece) for piece in pieces] == [6, 6, 2]


def test_images_that_share_a_layer_are_saved_at_the_same_time(tmp_path: Path) -> None:
    # in pieces that come slowly, so that both are within the same layer
    shared = b"shared" * 20_000
    meet = threading.Barrier(2)

    def slowly(archived: Iterator[bytes]) -> Iterator[bytes]:
        for number, piece in enumerate(archived):
            if number % 40 == 0:
                with contextlib.suppress(threading.BrokenBarrierError):
                    meet.wait(1)
            yield piece
        meet.abort()

    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda top: read_archive(slowly(old_layout(shared, top)), tmp_path), [b"one", b"two"]))
    for image, top in zip(both, [b"one", b"two"], strict=True):
        assert [b"".join(layer.pieces()) for layer in image.layers] == [shared, top]
        assert sha(b"".join(image.manifest.pieces())) == image.manifest.digest.removeprefix("sha256:")
    assert not list(tmp_path.glob("draft*"))
