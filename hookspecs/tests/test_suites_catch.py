"""The suites catch what they promise to: each fault here fails the test that is named beside it."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
from stagecraft_hookspecs import hookimpl
from stagecraft_hookspecs.commands import CommandLine, Flag
from stagecraft_hookspecs.contract import samples
from stagecraft_hookspecs.contract.backend import BackendContract
from stagecraft_hookspecs.contract.commands import CommandsContract
from stagecraft_hookspecs.contract.doubles import FakeMachine, MemoryFolder
from stagecraft_hookspecs.contract.phases import PhasesContract
from stagecraft_hookspecs.contract.runtime import RuntimeContract
from stagecraft_hookspecs.contract.secrets import SecretsContract
from stagecraft_hookspecs.values import Command, Operation, Phase

from .tutorials import tutorial


def _class(kind: str) -> Any:
    plugin = tutorial(kind)
    namespace: dict[str, Any] = {"__name__": plugin.package}
    exec(compile(plugin.source, plugin.package, "exec"), namespace)
    return namespace[plugin.cls]


def _changed(kind: str, **members: Any) -> Any:
    base = _class(kind)
    return type(base.__name__, (base,), {"__doc__": base.__doc__, **members})()


class Backends(BackendContract):
    def recognised(self) -> tuple[MemoryFolder, ...]:
        return (MemoryFolder({"bin/rails": ""}),)


@attrs.define
class Thawed:
    service: str = attrs.field(default="web", metadata={"help": "a service"})
    port: int = attrs.field(default=1, metadata={"help": "a port"})


@attrs.frozen
class Undocumented:
    service: str = "web"
    port: int = 3000


@attrs.frozen
class Strange:
    service: str = attrs.field(default="web", metadata={"help": "a service"})
    port: complex = attrs.field(default=1j, metadata={"help": "no number of a port"})


def _reads_disk(self: Any, project: Any) -> str:
    return Path("/etc/hostname").read_text()


def _draws_lots(self: Any, project: Any) -> str:
    return random.choice(("api", "web"))


def _counts(self: Any, project: Any) -> str:
    self.count = getattr(self, "count", 0) + 1
    return str(self.count)


def _first(self: Any, project: Any) -> str:
    return next(iter(project.services))


BACKENDS: dict[str, tuple[dict[str, Any], str]] = {
    "a name with capitals": ({"name": "Rails"}, "test_has_a_name"),
    "no docstring": ({"__doc__": ""}, "test_says_what_it_is"),
    "another signature": ({"service": lambda self, project, more=1: "web"}, "test_signatures_are_the_kinds"),
    "a config that can be changed": ({"Config": Thawed}, "test_config_is_frozen_attrs"),
    "a config without help": ({"Config": Undocumented}, "test_config_is_frozen_attrs"),
    "a config of unreadable types": ({"Config": Strange}, "test_config_makes_a_round_trip"),
    "reads the disk": ({"service": _reads_disk}, "test_pure_half_is_pure"),
    "chance": ({"service": _draws_lots}, "test_pure_half_is_pure"),
    "another result each time": ({"service": _counts}, "test_pure_half_is_deterministic"),
    "depends on the order": ({"service": _first}, "test_pure_half_is_deterministic"),
    "guesses": ({"detect": classmethod(lambda cls, folder: samples)}, "test_recognises_nothing_in_an_empty_folder"),
    "an unknown service": ({"service": lambda self, project: "nowhere"}, "test_service_is_one_of_the_compose_files"),
    "a list of processes": ({"dev": lambda self, project: []}, "test_dev_returns_processes"),
}


@pytest.mark.parametrize("fault", BACKENDS)
def test_backends(fault: str) -> None:
    members, test = BACKENDS[fault]
    getattr(Backends(), test)(_changed("backend"))
    with pytest.raises((AssertionError, TypeError, pytest.fail.Exception)):
        getattr(Backends(), test)(_changed("backend", **members))


def _pass(change: Callable[..., Any]) -> Any:
    return _changed("secrets", fetch=change)


def _in_argv(self: Any, ctx: Any, names: Any) -> Any:
    ctx.machine().run(Command(("login", "--password", ctx.secret("PASSWORD").reveal())))
    return {}


def _in_environment(self: Any, ctx: Any, names: Any) -> Any:
    ctx.machine().run(Command(("login",), env={"PASSWORD": ctx.secret("PASSWORD").reveal()}))
    return {}


def _in_log(self: Any, ctx: Any, names: Any) -> Any:
    ctx.log(f"logging in with {ctx.secret('PASSWORD').reveal()}")
    return {}


def _in_result(self: Any, ctx: Any, names: Any) -> Any:
    return {"A": ctx.secret("A").reveal()}


def _in_file(self: Any, ctx: Any, names: Any) -> Any:
    ctx.machine().write("/tmp/x", ctx.secret("A").reveal().encode())
    return {}


@pytest.mark.parametrize("leak", [_in_argv, _in_environment, _in_log, _in_result, _in_file])
def test_leaks_of_secrets(leak: Callable[..., Any], tmp_path: Path) -> None:
    SecretsContract().test_secrets_are_not_shown(_changed("secrets"), FakeMachine, tmp_path)
    with pytest.raises(AssertionError, match="secret"):
        SecretsContract().test_secrets_are_not_shown(_pass(leak), FakeMachine, tmp_path)


def test_other_errors(tmp_path: Path) -> None:
    def fetch(self: Any, ctx: Any, names: Any) -> Any:
        raise OSError("no such device")

    with pytest.raises(AssertionError, match="fetch let OSError out: no such device"):
        SecretsContract().test_only_stagecraft_errors_leave(_pass(fetch), FakeMachine, tmp_path)


def test_swallowed_interruptions(tmp_path: Path) -> None:
    def fetch(self: Any, ctx: Any, names: Any) -> Any:
        try:
            ctx.machine().run(Command(("pass",)))
        except Exception:
            return {}

    SecretsContract().test_interruptions_pass(_changed("secrets"), tmp_path)
    with pytest.raises(AssertionError, match="fetch swallowed an interruption"):
        SecretsContract().test_interruptions_pass(_pass(fetch), tmp_path)


def test_a_file_with_a_secret_that_is_not_marked() -> None:
    runtime = _changed("runtime")
    original = runtime.Renderer

    class Leaky(original):  # type: ignore[misc, valid-type]
        def render(self, deployment: Any) -> Any:
            from stagecraft_hookspecs.values import File

            draft = super().render(deployment)
            return attrs.evolve(draft, files={"app-1": {"x.env": File(b"A=<secret:A>")}})

    RuntimeContract().test_files_with_references_are_secret(runtime)
    runtime.Renderer = Leaky
    with pytest.raises(AssertionError, match=r"x\.env refers to a secret"):
        RuntimeContract().test_files_with_references_are_secret(runtime)


class Purge:
    """Purge a cache, in a way that can be spoilt."""

    operation = Operation("purge", Phase.FINALIZE, "cdn.purge", "cdn", description="purge the cache")
    table: Any = None

    @hookimpl
    def stagecraft_plan(self, deployment: Any) -> Any:
        return [self.operation]

    @hookimpl
    def stagecraft_finalize(self, phase: Any, ctx: Any) -> Any:
        return self.table or {"cdn.purge": lambda operation, ctx: {"purged": True}}


class Swallower:
    """Wrap a phase and keep its failure to itself."""

    @hookimpl(wrapper=True)
    def stagecraft_rollout(self, phase: Any, ctx: Any) -> Any:
        try:
            return (yield)
        except Exception:
            return []


def test_phases(tmp_path: Path) -> None:
    suite, plugin = PhasesContract(), Purge()
    suite.test_operations_are_well_formed(plugin)
    suite.test_every_operation_has_a_performer(plugin)
    suite.test_performers_can_be_repeated(plugin, tmp_path)
    plugin.table = {"cdn.clear": print}
    with pytest.raises(AssertionError, match=r"nothing performs cdn\.purge"):
        suite.test_every_operation_has_a_performer(plugin)
    plugin.operation = attrs.evolve(plugin.operation, description="two\nlines")
    with pytest.raises(AssertionError):
        suite.test_operations_are_well_formed(plugin)
    with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
        suite.test_wrappers_pass_results_and_failures_on(Swallower(), tmp_path)


def _command(**changes: Any) -> Any:
    command = attrs.evolve(CommandLine("hello", "Greet", lambda flags, session: 0), **changes)

    class Plugin:
        def stagecraft_commands(self) -> list[CommandLine]:
            return [command]

    return Plugin()


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "Hello World Again"},
        {"help": ""},
        {"changes": True, "flags": (Flag("name", "whom", positional=True),)},
        {"exit_codes": {7: "no such code"}},
    ],
)
def test_commands(changes: dict[str, Any]) -> None:
    CommandsContract().test_commands_are_well_formed(_command())
    with pytest.raises(AssertionError):
        CommandsContract().test_commands_are_well_formed(_command(**changes))


def test_commands_print_through_the_session(capsys: pytest.CaptureFixture[str]) -> None:
    def shout(flags: Any, session: Any) -> int:
        print("hello")
        return 0

    with pytest.raises(AssertionError, match="print through the session"):
        CommandsContract().test_commands_run(_command(run=shout), False, capsys)


def test_flags_do_not_hide_global_ones() -> None:
    with pytest.raises(AssertionError):
        CommandsContract().test_flags_are_well_formed(_command(flags=(Flag("env", "mine"),)))
