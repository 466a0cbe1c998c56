"""Perform the operations that concern images: build, push, pin. What they return the journal keeps, and the rollout reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
from stagecraft_hookspecs.errors import ProviderError
from stagecraft_hookspecs.values import Image

if TYPE_CHECKING:
    from stagecraft_hookspecs.context import Context
    from stagecraft_hookspecs.phases import Performer
    from stagecraft_hookspecs.runtime import Deployment, Service
    from stagecraft_hookspecs.values import Operation

    from stagecraft.run.journal import Journal


@attrs.frozen(eq=False)
class Imaging:
    """Make the images of one release known by their digests."""

    deployment: Deployment
    journal: Journal
    no_cache: bool = False

    def performers(self) -> dict[str, Performer]:
        """Return the performers by action."""
        return {"image.build": self.build, "image.push": self.push, "image.pin": self.pin}

    def build(self, operation: Operation, ctx: Context) -> dict[str, str]:
        """Build a service's image."""
        from stagecraft.images import build_image

        service = self._service(operation)
        assert service.build is not None and service.image is not None

        def show(line: str) -> None:
            ctx.progress(line, service=service.name)

        name = service.image.name
        image = build_image(ctx, service.build, name, root=ctx.root, no_cache=self.no_cache, on_line=show)
        return _result(service, image)

    def push(self, operation: Operation, ctx: Context) -> dict[str, str]:
        """Push a built image; from here on its digest is the registry's."""
        from stagecraft.images import push_image

        service = self._service(operation)
        return _result(service, push_image(ctx, self._image(service)))

    def pin(self, operation: Operation, ctx: Context) -> dict[str, str]:
        """Find the digest of an image that is used as it is."""
        from stagecraft.images import pin_image

        service = self._service(operation)
        return _result(service, pin_image(ctx, self._image(service)))

    def _service(self, operation: Operation) -> Service:
        return next(s for s in self.deployment.services if s.name == operation.services[0])

    def _image(self, service: Service) -> Image:
        if service.image is None:
            raise ProviderError(f"service {service.name!r} has no image")
        known = self.journal.images.get(service.name)
        return with_digest(service.image, known) if known else service.image


def with_digest(image: Image | None, known: Image) -> Image:
    """Return what is known by now of an image that was planned."""
    return Image(known.name or (image.name if image else ""), known.digest)


def _result(service: Service, image: Image) -> dict[str, str]:
    return {"service": service.name, "image": image.name, "digest": image.digest}
