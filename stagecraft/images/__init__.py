"""Images: build them, push them, and know them by digest.

A built image carries the tag it was asked for, which moves with every build, and is known from then on by its digest alone.
"""

from __future__ import annotations

from stagecraft.images.build import build_image
from stagecraft.images.pin import pin_image
from stagecraft.images.push import push_image

__all__ = ["build_image", "pin_image", "push_image"]
