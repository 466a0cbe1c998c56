"""Write an image as the archive that engines load, without the layers that a host has."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterable, Iterator

from stagecraft.images.saved import OCI, Blob, Saved

_BLOCK = 512
_END = bytes(2 * _BLOCK)


def archive(image: Saved, skip: int = 0) -> Iterator[bytes]:
    """Yield the archive of an image, without a name: both an OCI layout and what ``docker load`` has always read.

    Engines with a graph driver take the second, those with containerd's store the first. Neither asks for layers that it has.

    Args:
        skip: How many layers, counted from the base, are left out.
    """
    for name, data in _texts(image):
        yield _header(name, len(data)) + data + _padding(len(data))
    for blob in _blobs(image, skip):
        yield _header(_name(blob), blob.size)
        yield from blob.pieces()
        yield _padding(blob.size)
    yield _END


def gathered(parts: Iterable[bytes], size: int) -> Iterator[bytes]:
    """Yield the same bytes in pieces of at least ``size``, but for the last; pure."""
    held: list[bytes] = []
    have = 0
    for part in parts:
        held.append(part)
        have += len(part)
        if have >= size:
            yield b"".join(held)
            held, have = [], 0
    if held:
        yield b"".join(held)


def archive_size(image: Saved, skip: int = 0) -> int:
    """Return the bytes of the archive; pure."""
    sizes = [len(data) for _, data in _texts(image)] + [blob.size for blob in _blobs(image, skip)]
    return sum(_BLOCK + size + len(_padding(size)) for size in sizes) + len(_END)


def _texts(image: Saved) -> Iterator[tuple[str, bytes]]:
    index = {
        "schemaVersion": 2,
        "mediaType": f"{OCI}.index.v1+json",
        "manifests": [image.manifest.descriptor()],
    }
    listed = [{"Config": _name(image.config), "RepoTags": None, "Layers": [_name(layer) for layer in image.layers]}]
    yield "oci-layout", b'{"imageLayoutVersion":"1.0.0"}'
    yield "index.json", json.dumps(index).encode()
    yield "manifest.json", json.dumps(listed).encode()


def _blobs(image: Saved, skip: int) -> Iterator[Blob]:
    """Yield the blobs to send, each once: an image may hold the same layer twice.

    One that was left out further down is sent nevertheless: an engine with a graph driver has it there, but not on this level.
    """
    seen = set[str]()
    for blob in (image.manifest, image.config, *image.layers[skip:]):
        if blob.digest not in seen:
            seen.add(blob.digest)
            yield blob


def _name(blob: Blob) -> str:
    return f"blobs/{blob.digest.replace(':', '/')}"


def _header(name: str, size: int) -> bytes:
    entry = tarfile.TarInfo(name)
    entry.size = size
    return entry.tobuf(tarfile.GNU_FORMAT)


def _padding(size: int) -> bytes:
    return bytes(-size % _BLOCK)
