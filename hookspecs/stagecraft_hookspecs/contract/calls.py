"""Calls of a provider's methods as data, so that one list of them serves every check: purity, determinism, errors, secrets."""

from __future__ import annotations

import enum
import json
import pickle
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any

import attrs

#: The value of every secret in the suites' samples. Wherever it shows up, a secret has leaked.
CANARY = "canary-5ecre7-va1ue"


@attrs.frozen
class Call:
    """Name a method and its arguments.

    Attributes:
        renderer: Whether it is a method of the provider's ``Renderer``.
    """

    method: str
    args: tuple[Any, ...] = ()
    renderer: bool = False

    def bound(self, provider: Any) -> Callable[[], Any]:
        """Return a function that makes the call."""
        owner = provider.Renderer(provider.config) if self.renderer else provider
        return lambda: getattr(owner, self.method)(*self.args)


def canonical(value: Any) -> str:
    """Return a text that is the same for equal values, all hidden fields included; the order of mappings does not count."""
    return json.dumps(_plain(value), sort_keys=True)


def shuffled(value: Any) -> Any:
    """Return a value with every mapping in it in another order, and everything else as it was."""
    if attrs.has(type(value)):
        changes = {f.alias: shuffled(getattr(value, f.name)) for f in attrs.fields(type(value)) if f.init}
        return type(value)(**changes)
    if isinstance(value, Mapping):
        return {key: shuffled(item) for key, item in reversed(list(value.items()))}
    if isinstance(value, tuple):
        return tuple(shuffled(item) for item in value)
    if isinstance(value, list):
        return [shuffled(item) for item in value]
    if type(value).__name__ == "MemoryFolder":
        return type(value)(shuffled(value.files))
    return value


def elsewhere(provider: Any, calls: tuple[Call, ...], hash_seed: int) -> list[str]:
    """Make the calls in another process, with another hash seed, and return each result in canonical form.

    The order in which a set of strings is walked changes with the seed: a plan made by walking one changes from run to run.
    """
    job = pickle.dumps((type(provider), provider.config, calls))
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM.format(path=[p for p in sys.path if p])],
        input=job,
        capture_output=True,
        env={"PYTHONHASHSEED": str(hash_seed), "PATH": ""},
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, f"the provider does not work in a process of its own:\n{done.stderr.decode()}"
    return [str(text) for text in json.loads(done.stdout)]


_PROGRAM = """
import sys
sys.path[:] = {path!r}
import json, pickle
from stagecraft_hookspecs.contract.calls import canonical
cls, config, calls = pickle.loads(sys.stdin.buffer.read())
provider = cls(config)
sys.stdout.write(json.dumps([canonical(call.bound(provider)()) for call in calls]))
"""


def _plain(value: Any) -> Any:
    if attrs.has(type(value)):
        fields = {f.name: _plain(getattr(value, f.name)) for f in attrs.fields(type(value)) if f.eq is not False}
        return {"": type(value).__name__, **fields}
    if isinstance(value, Mapping):
        return {str(_plain(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted(canonical(item) for item in value)
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, Exception):
        return repr(value)
    return value if isinstance(value, (str, int, float, bool, type(None))) else type(value).__name__
