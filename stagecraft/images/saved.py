"""Save an image of this machine's engine once, as blobs named by their content."""

from __future__ import annotations

import contextlib
import hashlib
import json
import tarfile
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

import attrs

OCI = "application/vnd.oci.image"
_PIECE = 1 << 20
_COMPRESSIONS = {b"\x1f\x8b": "+gzip", b"\x28\xb5\x2f\xfd": "+zstd"}


@attrs.frozen
class Blob:
    """Name a file by its content.

    Attributes:
        digest: ``sha256:…`` of the file. size: In bytes.
        kind: Its OCI media type.
    """

    digest: str
    size: int
    path: Path
    kind: str

    def descriptor(self) -> dict[str, Any]:
        """Return the blob as an OCI manifest refers to it."""
        return {"mediaType": self.kind, "digest": self.digest, "size": self.size}

    def pieces(self) -> Iterator[bytes]:
        """Yield the content in pieces of at most 1 MiB."""
        with self.path.open("rb") as file:
            while piece := file.read(_PIECE):
                yield piece


@attrs.frozen
class Saved:
    """Hold an image as blobs.

    Attributes:
        diff_ids: The digests of the unpacked layers, by which every engine knows them, the base first.
        platform: ``linux/amd64``.
    """

    manifest: Blob
    config: Blob
    layers: tuple[Blob, ...]
    diff_ids: tuple[str, ...]
    platform: str

    @property
    def size(self) -> int:
        """Return the bytes of all blobs."""
        return sum(blob.size for blob in (self.manifest, self.config, *self.layers))

    def holds(self, skip: int) -> bool:
        """Tell whether all layers but the first ``skip`` were saved."""
        return all(layer.path.exists() for layer in self.layers[skip:])


def read_archive(pieces: Iterable[bytes], folder: Path, without: Collection[str] = ()) -> Saved:
    """Unpack the archive that an engine saves an image as, of any of its layouts, into blobs in ``folder``.

    Blobs that lie there already are not written again. Memory stays at a few pieces, whatever the image's size.

    Args:
        without: Digests of layers that nobody will read; they are not written.

    Raises:
        ValueError: The archive holds no image, or a blob is not what its name says.
    """
    files: dict[str, tuple[str, int]] = {}
    links: dict[str, str] = {}
    with tarfile.open(fileobj=cast("IO[bytes]", _Stream(pieces)), mode="r|") as archive:
        for member in archive:
            name = str(PurePosixPath(member.name))
            if member.isfile():
                content = archive.extractfile(member)
                assert content is not None
                files[name] = _store(content, name, member.size, folder, without), member.size
            elif member.issym() or member.islnk():  # older engines link layers that occur twice
                base = PurePosixPath(name).parent if member.issym() else PurePosixPath()
                links[name] = _normal(base / member.linkname)
    files |= {name: files[target] for name, target in links.items() if target in files}
    return _image(files, folder)


def add_blob(data: bytes, kind: str, folder: Path) -> Blob:
    """Write a small blob."""
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    path = folder / digest.partition(":")[2]
    with _draft(folder) as (file, place):
        file.write(data)
        place(path)
    return Blob(digest, len(data), path, kind)


def make_manifest(config: Blob, layers: Iterable[Blob]) -> bytes:
    """Return the OCI manifest of an image; pure."""
    content = {
        "schemaVersion": 2,
        "mediaType": f"{OCI}.manifest.v1+json",
        "config": config.descriptor(),
        "layers": [layer.descriptor() for layer in layers],
    }
    return json.dumps(content, separators=(",", ":")).encode()


def _image(files: dict[str, tuple[str, int]], folder: Path) -> Saved:
    def blob(name: str, kind: str) -> Blob:
        if name not in files:
            raise ValueError(f"the archive lacks {name}")
        digest, size = files[name]
        return Blob(digest, size, folder / digest.partition(":")[2], kind)

    if "manifest.json" not in files:
        raise ValueError("the archive holds no image")
    listed = json.loads(blob("manifest.json", "").path.read_bytes())[0]
    config = blob(listed["Config"], f"{OCI}.config.v1+json")
    about = json.loads(config.path.read_bytes())
    layers = [blob(name, f"{OCI}.layer.v1.tar") for name in listed["Layers"]]
    diff_ids = tuple(about["rootfs"]["diff_ids"])
    if len(diff_ids) != len(layers):
        raise ValueError("the archive lacks layers")
    manifest, kinds = _own_manifest(files, config, layers, folder)
    kinds = kinds or [layer.kind + _compression(layer.path) for layer in layers]
    layers = [attrs.evolve(layer, kind=kind) for layer, kind in zip(layers, kinds, strict=True)]
    manifest = manifest or add_blob(make_manifest(config, layers), f"{OCI}.manifest.v1+json", folder)
    return Saved(manifest, config, tuple(layers), diff_ids, f"{about.get('os')}/{about.get('architecture')}")


def _own_manifest(
    files: dict[str, tuple[str, int]], config: Blob, layers: list[Blob], folder: Path
) -> tuple[Blob | None, list[str]]:
    """Return the manifest that the engine knows the image by, and the layers' types in it.

    With it the image has the same id on an engine of the same kind.
    """
    if "index.json" not in files:
        return None, []
    index = folder / files["index.json"][0].partition(":")[2]
    open_ones = list(json.loads(index.read_bytes()).get("manifests") or ())
    while open_ones:
        found = open_ones.pop(0)
        name = f"blobs/{str(found.get('digest')).replace(':', '/')}"
        if name not in files:
            continue
        path = folder / files[name][0].partition(":")[2]
        content = json.loads(path.read_bytes())
        open_ones += content.get("manifests") or ()
        if (content.get("config") or {}).get("digest") == config.digest:
            digests = [layer["digest"] for layer in content["layers"]]
            if digests == [layer.digest for layer in layers]:
                manifest = Blob(files[name][0], files[name][1], path, str(found["mediaType"]))
                return manifest, [str(layer["mediaType"]) for layer in content["layers"]]
    return None, []


def _store(content: IO[bytes], name: str, size: int, folder: Path, without: Collection[str]) -> str:
    """Write a file under the digest of its content and return that."""
    named = name.removeprefix("blobs/sha256/") if name.startswith("blobs/sha256/") else ""
    if f"sha256:{named}" in without:
        return f"sha256:{named}"
    if named and (folder / named).exists() and (folder / named).stat().st_size == size:
        return f"sha256:{named}"
    digest = hashlib.sha256()
    with _draft(folder) as (file, place):
        while piece := content.read(_PIECE):
            digest.update(piece)
            file.write(piece)
        found = digest.hexdigest()
        if named not in ("", found):
            raise ValueError(f"the blob {named[:12]} of the archive is damaged")
        place(folder / found)
    return f"sha256:{found}"


@contextlib.contextmanager
def _draft(folder: Path) -> Iterator[tuple[IO[bytes], Callable[[Path], None]]]:
    """Yield a file that nobody else writes, and a function that puts it, whole, in its place; several images are saved at once."""
    with tempfile.NamedTemporaryFile(dir=folder, prefix="draft-", delete=False) as file:
        draft = Path(file.name)

        def place(path: Path) -> None:
            file.flush()
            draft.replace(path)

        try:
            yield cast("IO[bytes]", file), place
        finally:
            draft.unlink(missing_ok=True)


def _compression(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(4)
    return next((suffix for magic, suffix in _COMPRESSIONS.items() if head.startswith(magic)), "")


def _normal(path: PurePosixPath) -> str:
    parts: list[str] = []
    for part in path.parts:
        parts = parts[:-1] if part == ".." else [*parts, part]
    return "/".join(parts)


class _Stream:
    """Give an iterable of bytes as the file that tarfile reads."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces, self._rest = iter(pieces), b""

    def read(self, size: int) -> bytes:
        found = [self._rest]
        have = len(self._rest)
        while have < size and (piece := next(self._pieces, b"")):
            found.append(piece)
            have += len(piece)
        whole = b"".join(found)
        self._rest = whole[size:]
        return whole[:size]
