"""Check what a plugin's hook returned before anything relies on it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import attrs
from stagecraft_hookspecs.errors import PluginFault

if TYPE_CHECKING:
    from stagecraft_hookspecs.provider import Provider

_NAME = re.compile(r"[a-z][a-z0-9-]*\Z")


def flatten(result: object) -> Iterator[Any]:
    """Yield the classes of a hook's result: nothing, one class, or an iterable of them."""
    if result is None:
        return
    if isinstance(result, Iterable) and not isinstance(result, (type, str, bytes)):
        yield from result
    else:
        yield result


def check_provider(kind: str, base: type[Provider], cls: Any, owner: Callable[[], str]) -> None:
    """Raise PluginFault, naming the distribution that ``owner`` tells, unless ``cls`` is a usable provider class of the kind."""

    def fault(why: str) -> PluginFault:
        return PluginFault(
            f"{owner()}: stagecraft_{kind} {why}", hint=f"see the tutorial in stagecraft_hookspecs.{kind}"
        )

    if not inspect.isclass(cls):
        raise fault(f"must return classes, not {type(cls).__name__} {cls!r}")
    if not issubclass(cls, base):
        raise fault(f"returned {cls.__name__}, which does not derive from {base.__name__}")
    if missing := sorted(getattr(cls, "__abstractmethods__", ())):
        raise fault(f"returned {cls.__name__}, which lacks {', '.join(missing)}")
    if not isinstance(cls.name, str) or not _NAME.match(cls.name):
        raise fault(f"returned {cls.__name__} with name {cls.name!r}; names are lower-case letters, digits and dashes")
    if not attrs.has(cls.Config):
        raise fault(f"returned {cls.__name__} whose Config is no attrs class")
