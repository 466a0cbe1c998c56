"""The contract suite of plugins that take part in a deploy: planned operations, performers, wrappers, observers."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import pluggy
import pytest

from stagecraft_hookspecs import PROJECT, hookimpl, phases
from stagecraft_hookspecs.contract import samples
from stagecraft_hookspecs.contract.base import _Anything, _outcome
from stagecraft_hookspecs.contract.calls import CANARY, canonical, shuffled
from stagecraft_hookspecs.contract.doubles import FakeContext, FakeMachine, MemoryFolder
from stagecraft_hookspecs.contract.guard import pure
from stagecraft_hookspecs.contract.machines import Babbling, Failing, Interrupting
from stagecraft_hookspecs.errors import Interrupted, ProviderError, StagecraftError
from stagecraft_hookspecs.phases import PhaseRun
from stagecraft_hookspecs.runtime import Deployment
from stagecraft_hookspecs.values import Operation, OperationRecord, Phase, Status

HOOKS = tuple(f"stagecraft_{phase.value}" for phase in Phase)
OBSERVERS = ("stagecraft_on_release", "stagecraft_on_phase", "stagecraft_on_operation")


class PhasesContract:
    """Prove a plugin's part in a deploy. The one thing to give is the fixture ``plugin``: its module, or an object of hooks."""

    @pytest.fixture
    def plugin(self) -> Any:
        """Return the plugin."""
        pytest.fail(f"give {type(self).__name__} a fixture `plugin` that returns the plugin's module", pytrace=False)

    def deployment(self) -> Deployment:
        """Return the deployment that the plugin plans for."""
        return samples.deployment(MemoryFolder(samples.FILES))

    def context(self, root: Path, machine: FakeMachine) -> FakeContext:
        """Return the context in which performers, wrappers and observers act; every secret is the canary."""
        return FakeContext(root, machine=machine, secrets=_Anything())

    def planned(self, plugin: Any) -> tuple[Operation, ...]:
        """Return what the plugin plans."""
        hook = getattr(plugin, "stagecraft_plan", None)
        return tuple(hook(deployment=self.deployment()) or ()) if hook else ()

    def run(self, plugin: Any, phase: Phase) -> PhaseRun:
        """Return the phase as it is about to run, with the plugin's own operations."""
        mine = tuple(o for o in self.planned(plugin) if o.phase is phase)
        return PhaseRun(phase, samples.release(phases=dict.fromkeys(Phase, Status.PENDING)), mine)

    def performers(self, plugin: Any, phase: Phase, ctx: FakeContext) -> Mapping[str, Any]:
        """Return the performers of a phase; none when its hook is a wrapper or not there."""
        hook = getattr(plugin, f"stagecraft_{phase.value}", None)
        if hook is None or _is_wrapper(hook):
            return {}
        return _call(hook, phase=self.run(plugin, phase), ctx=ctx) or {}

    def test_registers(self, plugin: Any) -> None:
        """Every hook is one that there is, with arguments that it has, and the plugin takes part somehow."""
        manager = _manager(plugin)
        assert manager.get_hookcallers(plugin), "the plugin implements no hook of a deploy"
        mine = [
            n for n in dir(plugin) if n.startswith("stagecraft_") and hasattr(getattr(plugin, n), f"{PROJECT}_impl")
        ]
        assert not [name for name in mine if not _known(name)], "no such hook"

    def test_plan_is_pure_and_deterministic(self, plugin: Any) -> None:
        """Planning only computes, and computes the same again, whatever the order of mappings."""
        hook = getattr(plugin, "stagecraft_plan", None)
        if hook is None:
            pytest.skip("the plugin plans nothing")
        first = canonical(tuple(pure(lambda: tuple(hook(deployment=self.deployment()) or ()))))
        assert canonical(self.planned(plugin)) == first
        assert canonical(tuple(hook(deployment=shuffled(self.deployment())) or ())) == first
        assert CANARY not in first

    def test_operations_are_well_formed(self, plugin: Any) -> None:
        """Operations can be shown, sorted, journalled: ids of their own, a phase, one line of words, JSON-like inputs."""
        operations = self.planned(plugin)
        hosts = {host.name for host in self.deployment().hosts}
        services = {service.name for service in self.deployment().services}
        ids = {operation.id: operation for operation in operations}
        assert len(ids) == len(operations)
        for operation in operations:
            assert isinstance(operation, Operation)
            assert isinstance(operation.phase, Phase)
            assert operation.action
            assert operation.provider
            assert operation.description
            assert "\n" not in operation.description
            assert set(operation.services) <= services
            assert set(operation.hosts) <= hosts
            assert json.loads(json.dumps(operation.inputs)) == operation.inputs
            for needed in operation.depends_on:
                assert needed not in ids or ids[needed].phase is operation.phase

    def test_every_operation_has_a_performer(self, plugin: Any) -> None:
        """What is planned can be performed, in its phase."""
        for operation in self.planned(plugin):
            performers = self.performers(plugin, operation.phase, FakeContext())
            assert callable(performers.get(operation.action)), f"nothing performs {operation.action}"

    def test_performers_can_be_repeated(self, plugin: Any, tmp_path: Path) -> None:
        """After a crash an operation is performed again; its result is kept in the journal, so it is JSON-like."""
        ctx = self.context(tmp_path, FakeMachine())
        for operation in self.planned(plugin):
            perform = self.performers(plugin, operation.phase, ctx)[operation.action]
            for _ in range(2):
                assert CANARY not in json.dumps(perform(operation, ctx))

    @pytest.mark.parametrize("machine", [Failing, Babbling], ids=["failing", "babbling"])
    def test_performers_raise_stagecraft_errors(self, plugin: Any, machine: type[FakeMachine], tmp_path: Path) -> None:
        """Whatever a machine does, a performer returns or raises an error of the tree; no secret is shown."""
        there = machine()
        ctx = self.context(tmp_path, there)
        for operation in self.planned(plugin):
            perform = self.performers(plugin, operation.phase, ctx)[operation.action]
            assert not (found := _outcome(lambda p=perform, o=operation: p(o, ctx))).count(CANARY), found
        assert not any(CANARY in word for command in there.commands for word in command.argv)
        assert not any(CANARY in text for _, text in ctx.logged)

    def test_performers_let_interruptions_pass(self, plugin: Any, tmp_path: Path) -> None:
        """Ctrl-C ends an operation."""
        machine = Interrupting()
        ctx = self.context(tmp_path, machine)
        for operation in self.planned(plugin):
            perform = self.performers(plugin, operation.phase, ctx)[operation.action]
            asked = machine.asked
            try:
                perform(operation, ctx)
            except Interrupted:
                continue
            except StagecraftError:
                pass
            assert machine.asked == asked, f"{operation.action} swallowed an interruption"

    def test_wrappers_pass_results_and_failures_on(self, plugin: Any, tmp_path: Path) -> None:
        """A wrapper sees a phase and does not stand in its way: the outcome passes, and so does the failure."""
        wrapped = [p for p in Phase if _is_wrapper(getattr(plugin, f"stagecraft_{p.value}", None))]
        if not wrapped:
            pytest.skip("the plugin wraps no phase")
        for phase in wrapped:
            run, ctx = self.run(plugin, phase), self.context(tmp_path, FakeMachine())
            marker = {"contract.marker": print}
            assert marker in self._through(plugin, phase, run, ctx, marker)
            with pytest.raises(ProviderError, match="the phase failed"):
                self._through(plugin, phase, run, ctx, ProviderError("the phase failed"))

    def test_observers_accept_what_happens(self, plugin: Any, tmp_path: Path) -> None:
        """An observer copes with every status of a release, a phase and an operation."""
        ctx = self.context(tmp_path, FakeMachine())
        operation = Operation("build:api", Phase.BUILD, "image.build", "stagecraft", ("api",))
        for status in Status:
            release = samples.release(phases={**dict.fromkeys(Phase, Status.PENDING), Phase.BUILD: status})
            record = OperationRecord(
                operation.id, operation.phase, status, 1.0, "no" if status is Status.FAILED else ""
            )
            run = PhaseRun(Phase.BUILD, attrs.evolve(release, operations=(record,)), (operation,))
            arguments = {"release": run.release, "phase": run, "operation": operation, "record": record, "ctx": ctx}
            for name in OBSERVERS:
                if hook := getattr(plugin, name, None):
                    _call(hook, **arguments)

    def _through(self, plugin: Any, phase: Phase, run: PhaseRun, ctx: FakeContext, inner: Any) -> Any:
        manager = _manager(plugin)

        class Inner:
            """Be what the wrapper surrounds."""

        def perform(phase: Any, ctx: Any) -> Any:
            if isinstance(inner, Exception):
                raise inner
            return inner

        setattr(Inner, f"stagecraft_{phase.value}", staticmethod(hookimpl(perform)))
        manager.register(Inner)
        return getattr(manager.hook, f"stagecraft_{phase.value}")(phase=run, ctx=ctx)


def _manager(plugin: Any) -> pluggy.PluginManager:
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(phases)
    manager.register(plugin)
    return manager


def _known(name: str) -> bool:
    kinds = (
        "backend",
        "ci",
        "cloud",
        "commands",
        "frontend",
        "migration",
        "network",
        "proxy",
        "runtime",
        "secrets",
        "state",
    )
    return name in HOOKS or name in OBSERVERS or name == "stagecraft_plan" or name.removeprefix("stagecraft_") in kinds


def _is_wrapper(hook: Any) -> bool:
    options = getattr(hook, f"{PROJECT}_impl", {})
    return bool(options.get("wrapper") or options.get("hookwrapper"))


def _call(hook: Any, **arguments: Any) -> Any:
    """Call a hook with as many of the arguments as it takes, as pluggy does."""
    wanted = inspect.signature(hook).parameters
    return hook(**{name: value for name, value in arguments.items() if name in wanted})
