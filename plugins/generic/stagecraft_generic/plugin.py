"""The entry point: tell the kernel of the backend and the frontend ``generic``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagecraft_hookspecs import hookimpl

if TYPE_CHECKING:
    from stagecraft_generic.providers import GenericBackend, GenericFrontend


@hookimpl
def stagecraft_backend() -> type[GenericBackend]:
    """Return the backend's class."""
    from stagecraft_generic.providers import GenericBackend

    return GenericBackend


@hookimpl
def stagecraft_frontend() -> type[GenericFrontend]:
    """Return the frontend's class."""
    from stagecraft_generic.providers import GenericFrontend

    return GenericFrontend
