"""What every provider of every kind has: a name, a docstring, and a configuration class."""

from __future__ import annotations

from abc import ABC
from typing import Any, ClassVar

import attrs


@attrs.frozen
class NoConfig:
    """Accept no configuration at all."""


class Provider(ABC):  # noqa: B024 - the kinds declare what is abstract
    """Derive a kind's ABC from this; a provider derives from its kind.

    The kernel structures the provider's block of the configuration into ``Config`` and constructs the provider with it; a wrong
    block is reported with file, line and column before the provider exists. The class is never constructed for anything that can
    be told from the class: ``name``, the docstring, ``Config``.

    Attributes:
        name: How users name it: lower-case letters, digits and dashes, unique within its kind.
        Config: A frozen attrs class. Field names are the keys of the block; ``field(metadata={"help": …})`` documents one.
            ``"format": "duration"`` (on a float: ``30s`` or seconds), ``"port"``, ``"path"`` and others say how a value is
            written; ``"secret": True`` keeps it out of everything that is shown.
    """

    name: ClassVar[str] = ""
    Config: ClassVar[type[Any]] = NoConfig

    def __init__(self, config: Any = None) -> None:
        self.config = self.Config() if config is None else config
