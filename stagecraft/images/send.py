"""Send an image from this machine's engine to a host's: the layers that the host lacks, checked once they are there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stagecraft_hookspecs.errors import ProviderError

from stagecraft.images import chains
from stagecraft.images.engine import api, call
from stagecraft.images.portions import LABEL
from stagecraft.images.pull import megabytes
from stagecraft.images.saved import Saved, read_archive
from stagecraft.images.transfer import STALL, Transfer
from stagecraft.images.wait import attend

if TYPE_CHECKING:
    from stagecraft_hookspecs.context import Context
    from stagecraft_hookspecs.values import Host

    from stagecraft.images.deliveries import Deliveries

_PIECE = 1 << 20


def send(ctx: Context, shared: Deliveries, name: str, here: Mapping[str, Any], host: Host) -> str:
    """Have an image of this machine's engine on a host and return its id there.

    A host gets one image at a time: two at once would not come sooner, and would both bring the base that they share.

    Args:
        name: What to call it in messages.
        here: The image as this machine's engine describes it.

    Raises:
        ProviderError: The host has another architecture or no room, or the connection was cut.
        TimedOut: The host's engine took nothing for 300 s.
    """
    refuse_platform(name, here, engine_of(ctx, shared, host), host)
    with shared.turn(ctx, "send", host.name):
        listed = chains.candidates(ctx, name, host)
        ids = [str(image["Id"]) for image in listed]
        if found := chains.twin(ctx, shared, chains.make_of(here), ids, host):
            return found
        layers = chains.make_of(here).layers
        history = call(f"look at {name}", name, lambda: api(ctx).history(str(here["Id"])))
        sizes = chains.sizes(history, layers, int(here.get("Size") or 0))
        skip = chains.shared_layers(ctx, shared, list(zip(layers, sizes, strict=True)), ids, host)

        def saved(skip: int) -> Saved:
            without = layers[:skip]
            return shared.saved(
                ctx, str(here["Id"]), lambda folder: _save(ctx, name, str(here["Id"]), folder, without), skip
            )

        transfer = Transfer(ctx, shared.wire(host), name, saved, host)
        identity = transfer.run(skip)
        left = {i for i, listing in zip(ids, listed, strict=True) if transfer.owner == _owner(listing)}
        transfer.forget_portions(left)
    ctx.log(f"sent {megabytes(transfer.sent)} of {megabytes(transfer.size)}: {name}", host=host.name)
    return identity


def _owner(listing: Mapping[str, Any]) -> str:
    return str((listing.get("Labels") or {}).get(LABEL) or "")


def engine_of(ctx: Context, shared: Deliveries, host: Host) -> Mapping[str, Any]:
    """Return what a host's engine says of itself; it is asked once in a run."""
    if host.name not in shared.engines:
        shared.engines[host.name] = call("ask for the version", "", lambda: api(ctx, host).version(), host)
    return shared.engines[host.name]


def refuse_platform(name: str, about: Mapping[str, Any], engine: Mapping[str, Any], host: Host) -> None:
    """Refuse an image that was made for another architecture than the host's; pure."""
    made, runs = str(about.get("Architecture") or ""), str(engine.get("Arch") or "")
    if made and runs and made != runs:
        raise ProviderError(
            f"{name} is made for {made}, and {host.name} runs {runs}",
            hint=f"build it for that: `build.platforms: [{engine.get('Os', 'linux')}/{runs}]` in the compose file",
        )


def _save(ctx: Context, name: str, identity: str, folder: Path, without: Sequence[str]) -> Saved:
    ctx.progress(f"saving {name}")

    def work(beat: Callable[[], None]) -> Saved:
        def pieces() -> Iterator[bytes]:
            for piece in api(ctx).get_image(identity, chunk_size=_PIECE):
                beat()
                yield piece

        try:
            return read_archive(pieces(), folder, without)
        except ValueError as error:
            raise ProviderError(
                f"cannot save {name}: {error}", hint=f"try it by hand: docker save {identity}"
            ) from error

    return call(f"save {name}", name, lambda: attend(ctx, f"save {name}", work, stall=STALL))
