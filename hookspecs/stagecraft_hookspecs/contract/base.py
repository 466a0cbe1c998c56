"""What every provider of every kind must keep to. The kinds' suites derive from ``ProviderContract``."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import json
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import attrs
import pluggy
import pytest

from stagecraft_hookspecs import PROJECT
from stagecraft_hookspecs.contract.calls import CANARY, Call, canonical, elsewhere, shuffled
from stagecraft_hookspecs.contract.doubles import FakeContext, FakeMachine, MemoryFolder
from stagecraft_hookspecs.contract.guard import pure
from stagecraft_hookspecs.contract.light import HEAVY, import_cost
from stagecraft_hookspecs.contract.machines import Babbling, Failing, Interrupting
from stagecraft_hookspecs.contract.plain import build, fields_of, plain
from stagecraft_hookspecs.errors import Interrupted, StagecraftError
from stagecraft_hookspecs.provider import NoConfig, Provider
from stagecraft_hookspecs.values import Secret

_NAME = re.compile(r"[a-z][a-z0-9-]*\Z")


class ProviderContract:
    """Derive from a kind's suite, not from this. The one thing to give is the fixture ``provider``.

    Attributes:
        kind: The kind's name.
        base: The kind's ABC.
        import_budget: Milliseconds of processor time that importing the plugin's module may cost over the contract's own.
        heavy: Modules that importing the plugin must not bring along.
    """

    kind: ClassVar[str] = ""
    base: ClassVar[type[Provider]] = Provider
    import_budget: ClassVar[float] = 60.0
    heavy: ClassVar[tuple[str, ...]] = HEAVY

    @pytest.fixture
    def provider(self) -> Any:
        """Return an instance of the provider, configured as a user might."""
        pytest.fail(f"give {type(self).__name__} a fixture `provider` that returns an instance", pytrace=False)

    # Samples: override those that do not suit the provider.

    def folder(self) -> MemoryFolder:
        """Return the project's files as the pure half sees them."""
        return MemoryFolder()

    def pure(self) -> tuple[Call, ...]:
        """Return calls of every method of the pure half."""
        return ()

    def effects(self, ctx: FakeContext) -> tuple[Call, ...]:
        """Return calls of every method of the effectful half. Those given ``ctx`` act on its machines only."""
        return ()

    def context(self, root: Path, machine: FakeMachine) -> FakeContext:
        """Return the context for ``effects``; every secret that a provider asks for is the canary."""
        return FakeContext(root, machine=machine, secrets=_Anything())

    def plugin(self, provider: Any) -> ModuleType:
        """Return the module that the entry point names: the one with the kind's hook."""
        own = sys.modules[type(provider).__module__]
        if hasattr(own, f"stagecraft_{self.kind}"):
            return own
        return importlib.import_module(f"{own.__name__.partition('.')[0]}.plugin")

    # The class

    def test_derives_from_its_kind(self, provider: Any) -> None:
        """A provider is an instance of its kind, with every abstract method."""
        assert isinstance(provider, self.base)
        assert not getattr(type(provider), "__abstractmethods__", ())

    def test_has_a_name(self, provider: Any) -> None:
        """Names are what users type: lower-case letters, digits and dashes."""
        assert isinstance(type(provider).name, str)
        assert _NAME.match(type(provider).name), f"{type(provider).name!r} is no name"

    def test_says_what_it_is(self, provider: Any) -> None:
        """The docstring's first line is what `plugins list` and the documentation show."""
        own = type(provider).__dict__.get("__doc__") or ""
        assert own.strip(), f"{type(provider).__name__} has no docstring of its own"
        assert len(own.strip().splitlines()[0]) <= 120

    def test_signatures_are_the_kinds(self, provider: Any) -> None:
        """The kernel may call every method by position or by name, as the kind declares it."""
        pairs = [(type(provider), self.base)]
        if renderer := getattr(self.base, "__annotations__", {}).get("Renderer") and provider.Renderer:
            pairs.append((renderer, next(c for c in renderer.__mro__ if c.__module__ == self.base.__module__)))
        for cls, declared in pairs:
            for name, method in vars(declared).items():
                if name.startswith("_") or not callable(getattr(declared, name)) or inspect.isclass(method):
                    continue
                assert _shape(getattr(cls, name)) == _shape(getattr(declared, name)), f"{cls.__name__}.{name}"

    def test_hook_returns_the_class(self, provider: Any) -> None:
        """The plugin's module registers with pluggy, and its hook returns the class."""
        module, kind = self.plugin(provider), importlib.import_module(self.base.__module__)
        manager = pluggy.PluginManager(PROJECT)
        manager.add_hookspecs(kind)
        manager.register(module)
        results = getattr(manager.hook, f"stagecraft_{self.kind}")()
        classes = [c for r in results for c in (r if isinstance(r, (tuple, list)) else [r])]
        assert type(provider) in classes

    def test_import_is_light(self, provider: Any) -> None:
        """Loading the plugin must not cost what using it costs: large libraries are imported inside functions."""
        module = self.plugin(provider).__name__
        costs = [import_cost(module, self.heavy)]
        assert not costs[0].heavy, f"importing {module} imports {', '.join(costs[0].heavy)}"
        while costs[-1].milliseconds > self.import_budget and len(costs) < 3:
            costs.append(import_cost(module, self.heavy))  # a busy machine now and then
        assert min(c.milliseconds for c in costs) <= self.import_budget, f"importing {module} is slow"

    # The configuration

    def test_config_is_frozen_attrs(self, provider: Any) -> None:
        """Configuration is a value: an attrs class that cannot be changed, whose every field says what it is for."""
        cls = type(provider).Config
        assert attrs.has(cls)
        assert isinstance(provider.config, cls)
        if fields := attrs.fields(cls):
            with pytest.raises(attrs.exceptions.FrozenInstanceError):
                setattr(provider.config, fields[0].name, None)
        undocumented = [name for name, field in fields_of(cls) if not field.metadata.get("help")]
        assert not undocumented, f"{cls.__name__}: give {', '.join(undocumented)} metadata={{'help': …}}"

    def test_config_makes_a_round_trip(self, provider: Any) -> None:
        """A configuration can be written as YAML or JSON and read back equal."""
        data = json.loads(json.dumps(plain(provider.config)))
        assert build(data, type(provider).Config) == provider.config

    def test_config_refuses_unknown_keys(self, provider: Any) -> None:
        """What is misspelt is an error, not silently ignored."""
        with pytest.raises(TypeError):
            build({"no_such_key_at_all": 1}, type(provider).Config)

    def test_construction_is_pure(self, provider: Any) -> None:
        """Constructing a provider does nothing: no file, no connection, no process."""
        assert pure(lambda: type(provider)(provider.config)).config == provider.config
        if type(provider).Config is NoConfig:
            assert pure(type(provider)).config == NoConfig()

    def test_repr_shows_no_secret(self, provider: Any) -> None:
        """Neither a provider nor its configuration shows a secret that it holds."""
        assert CANARY not in repr(provider)
        for _, value in _leaves(provider.config):
            if isinstance(value, Secret):
                assert value.reveal() not in repr(provider.config)

    # The pure half

    def test_pure_half_is_pure(self, provider: Any) -> None:
        """Describing touches nothing: no disk, network, process, clock, chance, environment variable."""
        for call in self.pure():
            function = call.bound(provider)
            try:
                pure(function)
            except StagecraftError:
                continue  # a refusal is an answer

    def test_pure_half_is_deterministic(self, provider: Any) -> None:
        """The same inputs give the same result: again, from another instance, in whatever order mappings are."""
        again = type(provider)(provider.config)
        for call, other in zip(self.pure(), self.pure(), strict=True):
            first = _outcome(call.bound(provider))
            assert _outcome(call.bound(provider)) == first, f"{call.method} gave another result the second time"
            assert _outcome(other.bound(again)) == first, f"{call.method} differs from instance to instance"
            mixed = Call(call.method, shuffled(call.args), call.renderer)
            assert _outcome(mixed.bound(provider)) == first, f"{call.method} depends on the order of a mapping"

    def test_pure_half_does_not_depend_on_the_hash_seed(self, provider: Any) -> None:
        """What is planned is the same in every process; walking a set of strings is not."""
        calls = tuple(c for c in self.pure() if not _raises(c.bound(provider)))
        if not calls:
            pytest.skip("nothing of this kind is pure")
        here = [canonical(call.bound(provider)()) for call in calls]
        for call, mine, other in zip(calls, here, elsewhere(provider, calls, hash_seed=1), strict=True):
            assert other == mine, f"{call.method} differs from process to process"

    def test_pure_half_does_not_change_its_inputs(self, provider: Any) -> None:
        """Inputs belong to the caller."""
        for call in self.pure():
            before = canonical(_inputs(call.args))
            with contextlib.suppress(StagecraftError):
                call.bound(provider)()
            assert canonical(_inputs(call.args)) == before, f"{call.method} changed its input"

    def test_pure_half_shows_no_secret(self, provider: Any) -> None:
        """Plans, files and commands hold references to secrets, never values."""
        for call in self.pure():
            with contextlib.suppress(StagecraftError):
                assert CANARY not in canonical(call.bound(provider)()), f"{call.method} shows a secret"

    # The effectful half

    @pytest.mark.parametrize("machine", [FakeMachine, Failing, Babbling], ids=["silent", "failing", "babbling"])
    def test_only_stagecraft_errors_leave(self, provider: Any, machine: type[FakeMachine], tmp_path: Path) -> None:
        """Whatever a machine does, a method returns or raises an error of the tree, with a message for the user."""
        self.folder().write_to(tmp_path)
        for call in self.effects(self.context(tmp_path, machine())):
            try:
                _consume(call.bound(provider)())
            except StagecraftError as error:
                assert error.message.strip(), f"{call.method} raised an error without a message"
            except Exception as error:
                raise AssertionError(f"{call.method} let {type(error).__name__} out: {error}") from error

    def test_interruptions_pass(self, provider: Any, tmp_path: Path) -> None:
        """Ctrl-C ends a method: Interrupted is not caught, whatever it was doing."""
        self.folder().write_to(tmp_path)
        machine = Interrupting()
        for call in self.effects(self.context(tmp_path, machine)):
            asked = machine.asked
            try:
                _consume(call.bound(provider)())
            except Interrupted:
                continue
            except StagecraftError:
                pass
            assert machine.asked == asked, f"{call.method} swallowed an interruption"

    @pytest.mark.parametrize("machine", [FakeMachine, Failing], ids=["silent", "failing"])
    def test_secrets_are_not_shown(self, provider: Any, machine: type[FakeMachine], tmp_path: Path) -> None:
        """Secrets reach a process by stdin, environment or 0600 file; never by argv, a log, a result or an error."""
        self.folder().write_to(tmp_path)
        there = machine()
        ctx = self.context(tmp_path, there)
        for call in self.effects(ctx):
            try:
                result = _consume(call.bound(provider)())
                assert CANARY not in repr(result), f"{call.method} returns a secret in the clear"
            except StagecraftError as error:
                shown = f"{error} {error.hint} {error.detail}"
                assert CANARY not in shown, f"{call.method} shows a secret in its error"
        for command in there.commands:
            assert not any(CANARY in word for word in command.argv), f"a secret in argv: {command.argv[0]}"
            assert CANARY not in repr(command), "a secret in the environment of a command; hand it over as a Secret"
        assert not any(CANARY in text for _, text in ctx.logged), "a secret in the log"
        assert not any(CANARY in text for text in ctx.progressed), "a secret in a progress message"
        assert not any(CANARY in word for _, argv, _ in ctx.oneoffs for word in argv), "a secret in argv"
        for path, data in there.files.items():
            if CANARY.encode() in data:
                assert there.modes[path] & 0o077 == 0, f"{path} holds a secret and others may read it"


class _Anything(dict[str, str]):
    """Have the canary for every name."""

    def __init__(self, *_: object) -> None:
        super().__init__()

    def __contains__(self, name: object) -> bool:
        return True

    def __missing__(self, name: str) -> str:
        return CANARY


def _shape(method: Any) -> list[tuple[str, Any, Any]]:
    parameters = inspect.signature(method).parameters.values()
    return [(p.name, p.kind, p.default) for p in parameters]


def _outcome(function: Any) -> str:
    try:
        return canonical(function())
    except StagecraftError as error:
        return f"{type(error).__name__}: {error}"


def _raises(function: Any) -> bool:
    try:
        function()
    except StagecraftError:
        return True
    return False


def _consume(result: Any) -> Any:
    """Enter a context manager that a method returned: only then it acts."""
    if isinstance(result, contextlib.AbstractContextManager):
        with result as inner:
            return inner
    return result


def _inputs(arguments: tuple[Any, ...]) -> Any:
    return [a.files if isinstance(a, MemoryFolder) else a for a in arguments]


def _leaves(value: Any) -> list[tuple[str, Any]]:
    if not attrs.has(type(value)):
        return []
    return [(f.name, getattr(value, f.name)) for f in attrs.fields(type(value))]
