"""Find what a host has of an image: the layers at its base that an image there shares, or the image under another id."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs

from stagecraft.images import names
from stagecraft.images.engine import api, call, inspect

if TYPE_CHECKING:
    from stagecraft_hookspecs.context import Context
    from stagecraft_hookspecs.values import Host

    from stagecraft.images.deliveries import Deliveries

_MOST = 64  # images looked at; each costs a round trip
_LIKELY = 8  # of these, how many may be the image under another id
_CONFIGURATION = (
    "User", "ExposedPorts", "Env", "Entrypoint", "Cmd", "Volumes", "WorkingDir", "Labels", "StopSignal", "Healthcheck",
    "OnBuild", "Shell",
)  # fmt: skip
_ENOUGH = 1_000_000  # bytes left to send, below which another look costs more than it may save


@attrs.frozen
class Make:
    """Say what an image is made of, whatever id an engine gives it.

    Attributes:
        layers: Digests of the unpacked layers, the base first.
        rest: Creation time, platform and configuration, as text.
    """

    layers: tuple[str, ...]
    rest: str


def make_of(about: Mapping[str, Any]) -> Make:
    """Return what an image is made of, from how an engine describes it; engines differ in which empty fields they show. Pure."""
    config = {key: value for key, value in (about.get("Config") or {}).items() if value and key in _CONFIGURATION}
    rest = [about.get("Created"), about.get("Os"), about.get("Architecture"), config]
    return Make(tuple((about.get("RootFS") or {}).get("Layers") or ()), json.dumps(rest, sort_keys=True))


def candidates(ctx: Context, name: str, host: Host) -> list[Mapping[str, Any]]:
    """Return a host's images that may share layers with an image called ``name``, the likeliest first, as the engine lists them."""
    listed = call(f"list images for {name}", name, lambda: api(ctx, host).images(all=True), host)
    return likeliest(listed, name)[:_MOST]


def twin(ctx: Context, shared: Deliveries, wanted: Make, ids: Sequence[str], host: Host) -> str:
    """Return the id under which a host has the very image, or an empty string: engines of another kind count ids differently."""
    return next((i for i in ids[:_LIKELY] if _look(ctx, shared, i, host) == wanted), "")


def shared_layers(
    ctx: Context, shared: Deliveries, layers: Sequence[tuple[str, int]], ids: Sequence[str], host: Host
) -> int:
    """Return how many layers, from the base, the host has.

    An engine knows a layer by all those below it, so only an unbroken run from the base counts.

    Args:
        layers: Digest of each layer unpacked, and the bytes that sending it takes, the base first.
        ids: Images on the host.
    """
    best, digests = 0, [digest for digest, _ in layers]
    for image in ids:
        best = max(best, common_prefix(digests, _look(ctx, shared, image, host).layers))
        if sum(size for _, size in layers[best:]) <= _ENOUGH:
            break
    return best


def sizes(history: Iterable[Mapping[str, Any]], layers: Sequence[str], total: int) -> list[int]:
    """Return about how large each layer is, the base first; pure.

    Args:
        history: What the engine tells of the image's making, the last step first; steps that made no layer have no size.
        total: Bytes of all layers, shared out evenly where the history tells of other layers.
    """
    told = [int(step["Size"]) for step in history if step.get("Size")][::-1]
    return told if len(told) == len(layers) else [total // len(layers) for _ in layers]


def common_prefix(wanted: Sequence[str], there: Sequence[str]) -> int:
    """Return how many layers at the start are the same; pure."""
    count = 0
    for mine, theirs in zip(wanted, there, strict=False):
        if mine != theirs:
            break
        count += 1
    return count


def likeliest(listed: Iterable[Mapping[str, Any]], name: str) -> list[Mapping[str, Any]]:
    """Return a host's images, those first that most likely share layers: of the same name, then the newest; pure."""
    last = names.repository(name).rpartition("/")[2]

    def rank(image: Mapping[str, Any]) -> tuple[bool, int, str]:
        own = (*(image.get("RepoTags") or ()), *(image.get("RepoDigests") or ()))
        alike = any(names.repository(n).rpartition("/")[2] == last for n in own)
        return not alike, -int(image.get("Created") or 0), str(image["Id"])

    return sorted(listed, key=rank)


def _look(ctx: Context, shared: Deliveries, image: str, host: Host) -> Make:
    key = (host.name, image)
    if key not in shared.makes:
        shared.makes[key] = make_of(inspect(ctx, image, host) or {})
    return shared.makes[key]
