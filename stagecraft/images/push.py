"""Push an image to its registry, under a tag made from its content."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from stagecraft_hookspecs.errors import ProviderError
from stagecraft_hookspecs.values import Image

from stagecraft.images import names
from stagecraft.images.deliveries import login_of
from stagecraft.images.engine import api, call
from stagecraft.images.pull import STALL, with_fresh_credentials
from stagecraft.images.wait import attend

if TYPE_CHECKING:
    from stagecraft_hookspecs.context import Context


def push_image(ctx: Context, image: Image) -> Image:
    """Push a built image and return it with the digest that its registry knows it by.

    The tag is made from the image's id, so a later push never takes the name from an earlier release's image, and a registry that
    clears away untagged manifests leaves it alone.

    Raises:
        ProviderError: It is not on this machine, or the registry refused it; the hint says how to log in.
    """
    repository = names.repository(image.name)
    tag = names.content_tag(image.digest) if image.digest else names.tag(image.name)
    name = f"{repository}:{tag}"
    if image.digest:
        call(f"tag {name}", name, lambda: api(ctx).tag(image.digest, repository, tag, force=True))
    ctx.progress(f"pushing {name}")
    digest = ""

    def attempt(account: dict[str, Any]) -> str:
        nonlocal digest

        def work(beat: Callable[[], None]) -> tuple[str, str]:
            events = api(ctx).push(repository, tag=tag, stream=True, decode=True, auth_config=account)
            return read_events(events, beat)

        digest, problem = call(f"push {name}", name, lambda: attend(ctx, f"push {name}", work, stall=STALL))
        return problem

    with_fresh_credentials(ctx, name, login_of(ctx), f"push {name}", attempt)
    if not digest:
        raise ProviderError(f"the registry did not say the digest of {name}", hint=f"look: docker push {name}")
    return Image(repository, digest)


def read_events(events: Iterable[Any], beat: Callable[[], None] = lambda: None) -> tuple[str, str]:
    """Return the digest and the error that a push's events tell of; pure but for ``beat``, called for each of them."""
    digest, problem = "", ""
    for event in events:
        beat()
        digest = str((event.get("aux") or {}).get("Digest") or digest)
        problem = str(event.get("error") or problem)
    return digest, problem
