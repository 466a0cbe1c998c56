"""Find out whose code raised an exception."""

from __future__ import annotations

from collections.abc import Mapping


def culprit(error: BaseException, loaded: Mapping[str, object]) -> str | None:
    """Return the name of the loaded plugin in whose package the innermost frame of the traceback lies, or None.

    Frames are read from the innermost outwards, so that a plugin that calls a library that raises is still the one blamed, and a
    fault of the kernel called from a plugin's wrapper is not: the kernel's own frames end the search.
    """
    packages = {_package(plugin): name for name, plugin in loaded.items() if _package(plugin)}
    modules = []
    trace = error.__traceback__
    while trace is not None:
        modules.append(str(trace.tb_frame.f_globals.get("__name__", "")))
        trace = trace.tb_next
    for module in reversed(modules):
        top = module.partition(".")[0]
        if top in packages:
            return packages[top]
        if top == "stagecraft":
            return None
    return None


def _package(plugin: object) -> str:
    name = getattr(plugin, "__name__", "") or type(plugin).__module__
    top = str(name).partition(".")[0]
    return "" if top == "stagecraft" else top
