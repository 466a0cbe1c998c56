"""Images: build them, push them, know them by digest, and have them on hosts.

A built image carries the tag it was asked for, which moves with every build, and is known from then on by its digest alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stagecraft.images.build import build_image
    from stagecraft.images.deliver import deliver_image
    from stagecraft.images.pin import pin_image
    from stagecraft.images.push import push_image

__all__ = ["build_image", "deliver_image", "pin_image", "push_image"]


def __getattr__(name: str) -> Any:
    """Import a function when it is first asked for: each run needs a few of them, and every context a little of this package."""
    import importlib

    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{name.partition('_')[0]}"), name)
