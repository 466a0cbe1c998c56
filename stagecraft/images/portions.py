"""Cut a large transfer into several images, each with more of the layers, so that what arrived before a cut counts.

An engine forgets a load that does not end. A portion is an image of its own that ends earlier; it holds its layers on the host
until the whole image is there.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from stagecraft.images.saved import OCI, Saved, add_blob, make_manifest

LABEL = (
    "stagecraft.portion"  # project/environment: one run at a time works on that, so what carries it is nobody else's
)
_ENOUGH = 32_000_000  # bytes; below, a further load takes longer than it can save


def cuts(sizes: Sequence[int], skip: int, enough: int = _ENOUGH) -> tuple[int, ...]:
    """Return after how many layers to load, the last time all of them; pure.

    Args:
        sizes: Bytes of each layer, the base first.
        skip: How many of them the host has.
    """
    found, gathered = [], 0
    for count, size in enumerate(sizes[skip:], skip + 1):
        gathered += size
        if gathered >= enough and count < len(sizes):
            found.append(count)
            gathered = 0
    return (*found, len(sizes))


def portion(image: Saved, count: int, owner: str) -> Saved:
    """Return an image of the first ``count`` layers that nothing can be run from.

    Args:
        owner: ``project/environment``, for the label.
    """
    system, _, architecture = image.platform.partition("/")
    content: dict[str, Any] = {
        "architecture": architecture,
        "os": system,
        "config": {"Labels": {LABEL: owner}},
        "rootfs": {"type": "layers", "diff_ids": image.diff_ids[:count]},
    }
    folder, layers = image.config.path.parent, image.layers[:count]
    config = add_blob(json.dumps(content).encode(), f"{OCI}.config.v1+json", folder)
    manifest = add_blob(make_manifest(config, layers), f"{OCI}.manifest.v1+json", folder)
    return Saved(manifest, config, layers, image.diff_ids[:count], image.platform)
