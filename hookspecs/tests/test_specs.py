"""What the contract says of itself is so."""

from __future__ import annotations

import importlib
import inspect
import re
from types import ModuleType
from typing import Any

import pytest
from stagecraft_hookspecs import PROJECT, errors
from stagecraft_hookspecs.provider import Provider

from .test_light import MODULES

KINDS = [m for m in MODULES if m not in ("commands", "context", "errors", "phases", "provider", "values")]


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"stagecraft_hookspecs.{name}")


def _hookspecs() -> list[tuple[str, Any]]:
    return [
        (f"{module}.{name}", function)
        for module in MODULES
        for name, function in vars(_module(module)).items()
        if hasattr(function, f"{PROJECT}_spec")
    ]


def _base(kind: str) -> type[Provider]:
    module = _module(kind)
    (base,) = [
        c for _, c in inspect.getmembers(module, inspect.isclass)
        if issubclass(c, Provider) and c.__module__ == module.__name__
    ]  # fmt: skip
    return base


def test_there_are_ten_kinds() -> None:
    assert KINDS == [
        "backend",
        "ci",
        "cloud",
        "frontend",
        "migration",
        "network",
        "proxy",
        "runtime",
        "secrets",
        "state",
    ]


@pytest.mark.parametrize(("name", "hook"), _hookspecs(), ids=lambda value: value if isinstance(value, str) else "")
def test_every_hook_is_documented_and_typed(name: str, hook: Any) -> None:
    assert hook.__doc__
    assert re.match(r"[A-Z][a-z]+ ", hook.__doc__), "an imperative first line"
    signature = inspect.signature(hook)
    assert signature.return_annotation is not inspect.Signature.empty
    assert all(p.annotation is not inspect.Parameter.empty for p in signature.parameters.values())


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_declares_its_hook(kind: str) -> None:
    hook = getattr(_module(kind), f"stagecraft_{kind}")
    assert hasattr(hook, f"{PROJECT}_spec")
    assert not inspect.signature(hook).parameters, "it returns classes, and is given nothing"


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_asks_for_five_methods_at_most(kind: str) -> None:
    base = _base(kind)
    assert 1 <= len(base.__abstractmethods__) <= 5  # type: ignore[attr-defined]
    renderer = base.__annotations__.get("Renderer")
    assert (renderer is not None) == (kind in ("runtime", "proxy"))


@pytest.mark.parametrize("kind", KINDS)
def test_every_method_is_documented(kind: str) -> None:
    for name, method in inspect.getmembers(_base(kind), callable):
        if not name.startswith("_") and name != "Config":
            assert inspect.getdoc(method), name


@pytest.mark.parametrize("module", MODULES)
def test_all_that_is_public_is_documented(module: str) -> None:
    for name, value in inspect.getmembers(_module(module)):
        defined = getattr(value, "__module__", "") == f"stagecraft_hookspecs.{module}"
        if defined and not name.startswith("_") and (inspect.isclass(value) or inspect.isfunction(value)):
            assert inspect.getdoc(value), name


def _drawn() -> dict[str, tuple[str, int]]:
    """Return what the docstring draws: class to its parent and its exit code; one drawn without has its parent's."""
    found: dict[str, tuple[str, int]] = {"StagecraftError": ("Exception", 1)}
    above = ["StagecraftError"]
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"    ((?:│   |    )*)[├└]── (\w+)(?:\s+exit (\d+))?", line)
        if match:
            depth = len(match[1]) // 4 + 1
            del above[depth:]
            found[match[2]] = (above[-1], int(match[3]) if match[3] else found[above[-1]][1])
            above.append(match[2])
    return found


def test_the_drawn_tree_of_errors_is_the_real_one() -> None:
    real = {
        name: (cls.__bases__[0].__name__, cls.exit_code)
        for name, cls in inspect.getmembers(errors, inspect.isclass)
        if issubclass(cls, errors.StagecraftError)
    }
    assert _drawn() == real


def test_every_error_has_a_code_of_its_own() -> None:
    classes = [c for _, c in inspect.getmembers(errors, inspect.isclass) if issubclass(c, errors.StagecraftError)]
    assert len({c.code for c in classes}) == len(classes)
