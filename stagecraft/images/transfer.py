"""Load an image into a host's engine as it is read, in portions, and check it there."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from stagecraft_hookspecs.errors import ProviderError, TimedOut

from stagecraft.images import portions
from stagecraft.images.check import usable
from stagecraft.images.engine import api, at, call, refused
from stagecraft.images.pull import megabytes
from stagecraft.images.stream import archive, archive_size, gathered
from stagecraft.images.wait import attend

if TYPE_CHECKING:
    from stagecraft_hookspecs.context import Context
    from stagecraft_hookspecs.values import Host

    from stagecraft.images.saved import Saved
    from stagecraft.images.wire import Wire

STALL = 300.0  # seconds: an engine may unpack one big layer without a word
_PIECE = 1 << 20


class Transfer:
    """Bring one image to one host.

    Args:
        saved: Gives the image, of which the first so many layers will not be sent.

    Attributes:
        size: Bytes of the whole image.
        sent: Bytes that went over the wire so far.
        owner: Whose portions these are.
    """

    def __init__(self, ctx: Context, wire: Wire, name: str, saved: Callable[[int], Saved], host: Host) -> None:
        self._ctx, self._wire, self._name, self._saved, self._host = ctx, wire, name, saved, host
        self.owner = f"{ctx.project}/{ctx.environment}"
        self.sent = self.size = 0
        self._portions: set[str] = set()

    def run(self, skip: int) -> str:
        """Send all layers but the first ``skip``, in doubt all of them; return the image's id on the host."""
        for left_out in (skip, 0) if skip else (0,):
            image = self._saved(left_out)
            self.size = image.size
            problem = self._in_portions(image, left_out)
            if not problem and (identity := usable(self._ctx, self._name, image, self._host)):
                return identity
            if "no space left" in problem.lower():
                break
            why = problem or "no container can be made of it"
            self._ctx.log(
                f"{self._name} without its first {left_out} layers: {why}", level="debug", host=self._host.name
            )
        why = problem or "the engine took it, but cannot make containers of it"
        raise refused(f"send {self._name}", self._name, why, self._host)

    def forget_portions(self, left: Iterable[str]) -> None:
        """Remove the portions, and those that earlier runs left; what cannot be removed now is next time."""
        engine = api(self._ctx, self._host)
        for identity in sorted({*left, *self._portions}):
            remove = partial(engine.remove_image, identity, force=True)
            with contextlib.suppress(ProviderError):
                call("remove a portion", self._name, remove, self._host)

    def _in_portions(self, image: Saved, skip: int) -> str:
        """Load the image; return the engine's problem with it."""
        ends = portions.cuts([layer.size for layer in image.layers], skip)
        for begin, end in zip((skip, *ends), ends, strict=False):
            whole = end == len(image.layers)
            part = image if whole else portions.portion(image, end, self.owner)
            problem = self._load(part, begin)
            if problem:
                return problem
            if not whole:
                identity = usable(self._ctx, self._name, part, self._host)
                if not identity:
                    return f"layer {end} did not arrive whole"
                self._portions.add(identity)
        return ""

    def _load(self, image: Saved, skip: int) -> str:
        size, done = archive_size(image, skip), 0

        def work(beat: Callable[[], None]) -> str:
            from docker.errors import APIError
            from requests.exceptions import RequestException, Timeout

            def pieces() -> Iterator[bytes]:
                nonlocal done
                for piece in gathered(archive(image, skip), _PIECE):
                    beat()
                    yield piece
                    done += len(piece)
                    self._show(done, size)

            try:
                return _post(api(self._ctx, self._host), self._counted(self._wire.squeeze(pieces())), beat)
            except APIError as error:
                return str(error.explanation or error)
            except (RequestException, OSError, ProviderError) as error:
                if isinstance(error, ProviderError) and type(error) is not ProviderError:
                    raise  # says more than that the connection is gone
                if isinstance(error, Timeout):
                    raise TimedOut(
                        f"{self._host.name} took nothing of {self._name} for {STALL:g} seconds",
                        hint="look at the engine there: docker info, and deploy again",
                    ) from error
                raise ProviderError(
                    f"sending {self._name} to {self._host.name} was cut off after {megabytes(done)} of {megabytes(size)}: {error}",
                    hint="check the connection and deploy again: what arrived is not sent again",
                ) from error

        return attend(self._ctx, f"send {self._name}{at(self._host)}", work, stall=STALL)

    def _counted(self, members: Iterable[bytes]) -> Iterator[bytes]:
        for member in members:
            self.sent += len(member)
            yield member

    def _show(self, done: int, size: int) -> None:
        self._ctx.progress(f"sending {self._name}: {megabytes(done)} of {megabytes(size)}", host=self._host.name)


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
