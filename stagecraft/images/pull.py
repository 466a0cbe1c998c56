"""Pull an image through a host's engine, with credentials in the request."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from stagecraft_hookspecs.values import LOCAL, Host

from stagecraft.images import names
from stagecraft.images.credentials import credentials, is_refusal
from stagecraft.images.engine import api, at, call, refused
from stagecraft.images.wait import attend

if TYPE_CHECKING:
    from stagecraft_hookspecs.context import Context

    from stagecraft.images.deliveries import Login

STALL = 300.0  # seconds: a slow disk takes long over one big layer, and the engine says nothing meanwhile


def pull(ctx: Context, image: str, reference: str, host: Host = LOCAL, login: Login | None = None) -> None:
    """Pull an image by its digest or tag.

    Args:
        image: Its name; tag and digest are left aside.
        reference: ``sha256:…`` or a tag.

    Raises:
        ProviderError: The registry cannot be reached or refuses, or the host has no room.
        TimedOut: Nothing came for 300 s.
    """
    repository = names.repository(image)
    shown = f"{repository}{'@' if ':' in reference else ':'}{reference}"
    what = f"pull {shown}"

    def attempt(shown_to_registry: dict[str, Any]) -> str:
        def work(beat: Callable[[], None]) -> str:
            from docker.errors import APIError

            try:
                events = api(ctx, host).pull(
                    repository, tag=reference, stream=True, decode=True, auth_config=shown_to_registry
                )
                return _follow(ctx, shown, host, events, beat)
            except APIError as error:
                return str(error.explanation or error)

        return call(what, image, lambda: attend(ctx, f"{what}{at(host)}", work, stall=STALL), host)

    with_fresh_credentials(ctx, image, login, what, attempt, host)


def with_fresh_credentials(
    ctx: Context,
    image: str,
    login: Login | None,
    what: str,
    attempt: Callable[[dict[str, Any]], str],
    host: Host = LOCAL,
) -> None:
    """Call ``attempt`` with credentials; it returns the problem. If that is about them and there are newer ones, call it again."""
    known = credentials(ctx, image, login)
    problem = attempt(known)
    if problem and is_refusal(problem):
        fresh = credentials(ctx, image, login)
        if fresh != known:
            problem = attempt(fresh)
    if problem:
        raise refused(what, image, problem, host)


def _follow(ctx: Context, shown: str, host: Host, events: Iterable[Mapping[str, Any]], beat: Callable[[], None]) -> str:
    """Show a pull's progress; return the problem, if there is one."""
    problem, layers = "", dict[str, tuple[int, int]]()
    for event in events:
        beat()
        problem = str(event.get("error") or problem)
        detail = event.get("progressDetail") or {}
        if event.get("status") == "Downloading" and detail.get("total"):
            layers[str(event.get("id"))] = (int(detail["current"]), int(detail["total"]))
            done, total = (sum(part) for part in zip(*layers.values(), strict=True))
            ctx.progress(f"pulling {shown}: {megabytes(done)} of {megabytes(total)}", host=host.name)
    return problem


def megabytes(size: int) -> str:
    """Return a number of bytes as people read it: ``5.2 MB``; pure."""
    return f"{size / 1e6:.1f} MB" if size < 99_950_000 else f"{size / 1e6:.0f} MB"
