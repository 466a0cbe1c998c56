"""The table of provider kinds: which module of the contract declares each, and under which class."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from types import ModuleType

    from stagecraft_hookspecs.provider import Provider

#: Kind to (module of the contract, name of its ABC). The hook is ``stagecraft_<kind>``.
KINDS: dict[str, tuple[str, str]] = {
    "backend": ("stagecraft_hookspecs.backend", "Backend"),
    "frontend": ("stagecraft_hookspecs.frontend", "Frontend"),
    "network": ("stagecraft_hookspecs.network", "Network"),
    "cloud": ("stagecraft_hookspecs.cloud", "Cloud"),
    "ci": ("stagecraft_hookspecs.ci", "CI"),
    "secrets": ("stagecraft_hookspecs.secrets", "Secrets"),
    "migration": ("stagecraft_hookspecs.migration", "Engine"),
    "runtime": ("stagecraft_hookspecs.runtime", "Runtime"),
    "proxy": ("stagecraft_hookspecs.proxy", "Proxy"),
    "state": ("stagecraft_hookspecs.state", "State"),
}

#: Hooks that belong to no kind, and the module of the contract that declares them.
BROADCASTS: dict[str, str] = {
    "stagecraft_commands": "stagecraft_hookspecs.commands",
    **dict.fromkeys(
        (
            "stagecraft_plan",
            "stagecraft_build",
            "stagecraft_push",
            "stagecraft_migrate_pre",
            "stagecraft_rollout",
            "stagecraft_migrate_post",
            "stagecraft_finalize",
            "stagecraft_on_release",
            "stagecraft_on_phase",
            "stagecraft_on_operation",
        ),
        "stagecraft_hookspecs.phases",
    ),
}


def hook_modules() -> dict[str, str]:
    """Return every hook's name and the module of the contract that declares it."""
    return {f"stagecraft_{kind}": module for kind, (module, _) in KINDS.items()} | BROADCASTS


def contract(kind: str) -> tuple[ModuleType, type[Provider]]:
    """Import and return a kind's module and its ABC."""
    module_name, class_name = KINDS[kind]
    module = importlib.import_module(module_name)
    return module, cast("type[Provider]", getattr(module, class_name))
