"""Find the credentials for a registry, anew each time: tokens of credential helpers live for minutes or hours only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stagecraft_hookspecs.errors import ProviderError

from stagecraft.images import names

if TYPE_CHECKING:
    from stagecraft_hookspecs.context import Context

    from stagecraft.images.deliveries import Login

_REFUSALS = (
    "unauthorized",
    "no basic auth credentials",
    "authentication required",
    "access denied",
    "denied:",
    "token has expired",
    "token expired",
)


def credentials(ctx: Context, image: str, login: Login | None = None) -> dict[str, Any]:
    """Return what the registry of an image is shown, in the engine's terms; empty where there is nothing to show.

    It goes to an engine in the header of one request. Engines keep nothing of it.

    Args:
        login: The account that the configuration names for its registry. For others it is what ``docker login`` left on this
            machine, in its file or with a credential helper, which is run.

    Raises:
        NotFound: The account's password is no secret that there is.
        ProviderError: A credential helper failed.
    """
    registry = names.registry(image)
    if login is not None and registry == login.registry:
        return {
            "username": login.username,
            "password": ctx.secret(login.password).reveal(),
            "serveraddress": registry,
        }
    from docker import auth
    from docker.errors import DockerException

    try:
        found: dict[str, Any] | None = auth.load_config().resolve_authconfig(registry or None)
    except (DockerException, OSError) as error:
        shown = registry or "the default registry"
        raise ProviderError(
            f"the credential helper for {shown} failed: {' '.join(str(error).split())}",
            hint=f"log in again: docker login {registry}".rstrip(),
        ) from error
    return dict(found or {})


def is_refusal(problem: str) -> bool:
    """Tell whether a registry's answer is about credentials; pure."""
    text = problem.lower()
    return any(words in text for words in _REFUSALS)
