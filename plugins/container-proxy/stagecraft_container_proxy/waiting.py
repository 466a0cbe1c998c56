"""Have a proxy's answer: wait for one that is just starting, tell one that does not run."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from stagecraft_hookspecs.errors import ProviderError

if TYPE_CHECKING:
    from stagecraft_container_proxy.box import Box
    from stagecraft_container_proxy.keeper import Keeper

T = TypeVar("T")
START_TIMEOUT = 30.0
PAUSE = 0.1


def running(keeper: Keeper, box: Box, told: Callable[[], T]) -> T | None:
    """Return what the proxy says, or None when it does not run; log where it is not as the configuration has it.

    Raises:
        ProviderError: It runs and does not answer.
    """
    state = keeper.state()
    if state is None or not state.running:
        return None
    if state.settings != box.fingerprint:
        keeper.ctx.log(
            f"{keeper.names.kind} runs with another image or other settings than stagecraft.yml says; "
            "they wait until it is removed",
            level="warning",
            host=keeper.host.name,
        )
    return answer(keeper, told)


def answer(keeper: Keeper, told: Callable[[], T]) -> T | None:
    """Return what the proxy says as soon as it does; None once its container does not run.

    Raises:
        ProviderError: It runs and does not answer.
    """
    until = keeper.ctx.monotonic() + START_TIMEOUT
    while True:
        try:
            return told()
        except ProviderError:
            state = keeper.state()
            if state is None or not state.running:
                return None
            if keeper.ctx.monotonic() >= until:
                raise
        keeper.ctx.sleep(PAUSE)


def must_run(keeper: Keeper) -> None:
    """Raise ProviderError when the proxy does not run."""
    state = keeper.state()
    if state is None or not state.running:
        raise ProviderError(
            f"{keeper.names.kind} does not run on {keeper.host.name}",
            hint=f"deploy again; what it said last: docker logs {keeper.names.container}",
        )


def start(keeper: Keeper, box: Box, told: Callable[[], T]) -> T:
    """Make the container run and return what the proxy says; a new one that does not stay is not left behind.

    Raises:
        ProviderError: It does not stay, with its last lines.
    """
    created = keeper.start(box)
    if (said := answer(keeper, told)) is not None:
        return said
    detail = keeper.log()
    if created:
        keeper.remove(0)
    hint = "its last lines are above"
    if "address already in use" in detail:
        hint = "a port was taken in this very moment: see by whom with ss -ltnp, and deploy again"
    raise ProviderError(f"{keeper.names.kind} does not start on {keeper.host.name}", hint=hint, detail=detail)
