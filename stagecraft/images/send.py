"""Send an image from this machine's engine to a host's: the layers that the host lacks, checked once they are there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stagecraft_hookspecs.errors import ProviderError, TimedOut

from stagecraft.images import chains
from stagecraft.images.check import usable
from stagecraft.images.engine import api, at, call, refused
from stagecraft.images.pull import megabytes
from stagecraft.images.saved import Saved, read_archive
from stagecraft.images.stream import archive, archive_size
from stagecraft.images.wait import attend

if TYPE_CHECKING:
    from stagecraft_hookspecs.context import Context
    from stagecraft_hookspecs.values import Host

    from stagecraft.images.deliveries import Deliveries

STALL = 300.0  # seconds: an engine may unpack one big layer without a word
_PIECE = 1 << 20


def send(ctx: Context, shared: Deliveries, name: str, here: Mapping[str, Any], host: Host) -> str:
    """Have an image of this machine's engine on a host and return its id there.

    Args:
        name: What to call it in messages.
        here: The image as this machine's engine describes it.

    Raises:
        ProviderError: The host has another architecture or no room, or the connection was cut.
        TimedOut: The host's engine took nothing for 300 s.
    """
    refuse_platform(name, here, call(f"send {name}", name, lambda: api(ctx, host).version(), host), host)
    ids = chains.candidates(ctx, name, host)
    if found := chains.twin(ctx, shared, chains.make_of(here), ids, host):
        return found
    image = shared.saved(ctx, str(here["Id"]), lambda folder: _save(ctx, name, str(here["Id"]), folder))
    sizes = [(digest, layer.size) for digest, layer in zip(image.diff_ids, image.layers, strict=True)]
    skip = chains.shared_layers(ctx, shared, sizes, ids, host)
    sent = 0
    for left_out in (skip, 0) if skip else (0,):
        problem = _load(ctx, name, image, left_out, host)
        sent += archive_size(image, left_out)
        if not problem and (identity := usable(ctx, name, image, host)):
            ctx.log(f"sent {megabytes(sent)} of {megabytes(image.size)}: {name}", host=host.name)
            return identity
        if "no space left" in problem.lower():
            break
        if left_out:
            ctx.log(
                f"the engine did not take {name} without the layers it has; sending all", level="debug", host=host.name
            )
    raise refused(f"send {name}", name, problem or "the engine took it, but cannot make containers of it", host)


def refuse_platform(name: str, about: Mapping[str, Any], engine: Mapping[str, Any], host: Host) -> None:
    """Refuse an image that was made for another architecture than the host's; pure."""
    made, runs = str(about.get("Architecture") or ""), str(engine.get("Arch") or "")
    if made and runs and made != runs:
        raise ProviderError(
            f"{name} is made for {made}, and {host.name} runs {runs}",
            hint=f"build it for that: `build.platforms: [{engine.get('Os', 'linux')}/{runs}]` in the compose file",
        )


def _save(ctx: Context, name: str, identity: str, folder: Path) -> Saved:
    ctx.progress(f"saving {name}")

    def work(beat: Callable[[], None]) -> Saved:
        def pieces() -> Iterator[bytes]:
            for piece in api(ctx).get_image(identity, chunk_size=_PIECE):
                beat()
                yield piece

        try:
            return read_archive(pieces(), folder)
        except ValueError as error:
            raise ProviderError(
                f"cannot save {name}: {error}", hint=f"try it by hand: docker save {identity}"
            ) from error

    return call(f"save {name}", name, lambda: attend(ctx, f"save {name}", work, stall=STALL))


def _load(ctx: Context, name: str, image: Saved, skip: int, host: Host) -> str:
    """Load an image without its first ``skip`` layers; return the engine's problem with it."""
    size, done = archive_size(image, skip), 0

    def work(beat: Callable[[], None]) -> str:
        from docker.errors import APIError
        from requests.exceptions import RequestException, Timeout

        def pieces() -> Iterator[bytes]:
            nonlocal done
            for piece in archive(image, skip):
                beat()
                yield piece
                done += len(piece)
                ctx.progress(f"sending {name}: {megabytes(done)} of {megabytes(size)}", host=host.name)

        try:
            return _post(api(ctx, host), pieces(), beat)
        except APIError as error:
            return str(error.explanation or error)
        except (RequestException, OSError) as error:
            if isinstance(error, Timeout):
                raise TimedOut(f"{host.name} took nothing of {name} for {STALL:g} seconds") from error
            raise ProviderError(
                f"sending {name} to {host.name} was cut off after {megabytes(done)} of {megabytes(size)}: {error}",
                hint="check the connection and deploy again",
            ) from error

    return attend(ctx, f"send {name}{at(host)}", work, stall=STALL)


def _post(engine: Any, pieces: Iterator[bytes], beat: Callable[[], None]) -> str:
    """Load an archive as it is made. The SDK's own call for it has the time-out of short requests."""
    response = engine._post(
        engine._url("/images/load"),
        data=pieces,
        headers={"Content-Type": "application/x-tar"},
        params={"quiet": "0"},
        stream=True,
        timeout=STALL,
    )
    engine._raise_for_status(response)
    problem = ""
    for event in engine._stream_helper(response, decode=True):
        beat()
        problem = str(event.get("error") or problem)
    return problem
