"""Make suites for a plugin that is installed, of which nothing but its module is known.

Without its author's samples only what holds for every provider can be told: its class, its configuration, its pure half. What acts
on machines is left to the tests of the plugin's own project.
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

import pytest

from stagecraft_hookspecs import PROJECT
from stagecraft_hookspecs.contract.base import ProviderContract
from stagecraft_hookspecs.contract.calls import Call
from stagecraft_hookspecs.contract.doubles import FakeContext
from stagecraft_hookspecs.contract.phases import HOOKS, OBSERVERS
from stagecraft_hookspecs.contract.plain import example

KINDS = ("backend", "ci", "cloud", "frontend", "migration", "network", "proxy", "runtime", "secrets", "state")


def suites(module: str) -> dict[str, type[Any]]:
    """Return test classes by name for all that a plugin's module provides; a test module takes them into its globals."""
    plugin = importlib.import_module(module)
    found: dict[str, type[Any]] = {}
    for kind in KINDS:
        if hook := _hook(plugin, f"stagecraft_{kind}"):
            result = hook()
            for cls in result if isinstance(result, (tuple, list)) else (result,):
                found[f"Test_{kind}_{cls.name}".replace("-", "_")] = _of_provider(kind, cls, plugin)
    if any(_hook(plugin, name) for name in (*HOOKS, *OBSERVERS, "stagecraft_plan")):
        found["Test_phases"] = _of_plugin("phases", plugin)
    if _hook(plugin, "stagecraft_commands"):
        found["Test_commands"] = _of_plugin("commands", plugin)
    return found


def suite_of(kind: str) -> type[ProviderContract]:
    """Return the contract suite of a kind."""
    module = importlib.import_module(f"stagecraft_hookspecs.contract.{kind}")
    (suite,) = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, ProviderContract) and value.__dict__.get("kind") == kind
    ]
    return suite


def _of_provider(kind: str, cls: type[Any], plugin: ModuleType) -> type[Any]:
    def provider(self: Any) -> Any:
        try:
            return cls(example(cls.Config))
        except Exception as error:
            pytest.skip(f"{cls.name} needs a configuration that cannot be guessed ({error}); run its own tests")

    def effects(self: Any, ctx: FakeContext) -> tuple[Call, ...]:
        return ()

    own = {"provider": pytest.fixture(provider), "effects": effects, "plugin": lambda self, provider: plugin}
    suite = suite_of(kind)
    common = {name for name in dir(ProviderContract) if name.startswith("test_")}
    # what a kind's suite adds needs samples that suit the provider, and may act
    left_out = {name: None for name in dir(suite) if name.startswith("test_") and name not in common}
    return type(f"{kind}:{cls.name}", (suite,), {**own, **left_out})


def _of_plugin(name: str, plugin: ModuleType) -> type[Any]:
    module = importlib.import_module(f"stagecraft_hookspecs.contract.{name}")
    suite = getattr(module, f"{name.capitalize()}Contract")

    def fixture(self: Any) -> Any:
        return plugin

    acting = {n: None for n in dir(suite) if n.startswith("test_performers") or n in _ACTING}
    return type(name, (suite,), {"plugin": pytest.fixture(fixture), **acting})


#: They call code of the plugin that acts, and do so with contexts that its author did not choose.
_ACTING = ("test_wrappers_pass_results_and_failures_on", "test_observers_accept_what_happens", "test_commands_run")


def _hook(plugin: ModuleType, name: str) -> Any:
    function = getattr(plugin, name, None)
    return function if hasattr(function, f"{PROJECT}_impl") else None
