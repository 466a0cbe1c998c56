"""Invoke's ``Program``, subclassed once: commands become tasks, errors become exit codes."""

from __future__ import annotations

import ast
import inspect
import itertools
import re
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from invoke import Argument, Collection, Config, Context, Executor, Exit, Program, Task
from invoke.exceptions import ParseError
from invoke.parser import Parser
from stagecraft_hookspecs.commands import CommandLine, Flag
from stagecraft_hookspecs.errors import UserError, nearest

from stagecraft import __version__
from stagecraft.cli.registry import GLOBAL_FLAGS

if TYPE_CHECKING:
    from stagecraft.cli.edge import Edge


#: How Invoke's parser says that a flag lacks its value; it names the flag in no other way.
_LACKS_VALUE = re.compile(r"Flag <Argument: ([^\s>]+).* needed value")
#: How it says that it does not know a word.
_STRANGER = re.compile(r"No idea what (.*) is!", re.DOTALL)


class CommandTask(Task):  # type: ignore[type-arg]
    """Be the Invoke task of one command: its arguments come from the command's flags, none is guessed from a signature."""

    def __init__(self, command: CommandLine, edge: Edge | None = None) -> None:
        def body(context: Context, **values: Any) -> None:
            from stagecraft.cli.edge import Edge

            code = (edge or Edge()).run(command, values)
            if code:
                raise Exit(code=code)

        body.__doc__ = command.help
        super().__init__(body, name=command.name.rpartition(" ")[2], auto_shortflags=False)
        self.command = command

    def argspec(self, body: Any) -> Any:
        """Return an empty signature; ``get_arguments`` says what there is."""
        return inspect.Signature()

    def get_arguments(self, ignore_unknown_help: bool | None = None) -> list[Argument]:
        """Return the command's flags and the global ones as Invoke's arguments."""
        return [_argument(flag) for flag in (*self.command.flags, *GLOBAL_FLAGS) if flag.name != "help"]


class StagecraftProgram(Program):
    """Parse and run one command. Invoke's own configuration files and core flags are not read."""

    def __init__(self, commands: Sequence[CommandLine], edge: Edge) -> None:
        super().__init__(
            version=__version__, namespace=build_collection(commands, edge), name="stagecraft", binary="stagecraft"
        )
        self._commands = commands

    def run(self, argv: Sequence[str] | None = None, exit: bool = True) -> None:
        """Run the command line (without the program's name); leaves by ``Exit`` when the exit code is not 0."""
        # Invoke sets this so as not to litter folders of tasks; here it would recompile whatever is imported later, at each start
        sys.dont_write_bytecode = False
        assert self.namespace is not None
        contexts = self.namespace.to_contexts()
        try:
            parsed = Parser(contexts=contexts).parse_argv(list(argv or ()))
        except ParseError as error:
            raise self._explain(error, argv or ()) from None
        for context in parsed:
            for argument in context.args.values():
                # an empty shell variable must not widen what is deployed, nor choose where
                given = argument.value if argument.kind is list else [argument.raw_value]
                if argument.takes_value and any(value is not None and not str(value).strip() for value in given):
                    flag = argument.names[0]
                    raise UserError(f"--{flag} is empty", hint="give it a value, or leave it out")
        if len(parsed) != 1:
            raise UserError(f"one command at a time: {parsed[0].name!r} and {parsed[1].name!r} were given")
        config = Config(lazy=True)
        Executor(self.namespace, config, None).execute(*parsed)

    def _explain(self, error: ParseError, argv: Sequence[str]) -> UserError:
        command = next((c for c in self._commands if c.name.replace(" ", ".") == argv[0]), None)
        name = command.name if command else argv[0]
        flags = (*(command.flags if command else ()), *GLOBAL_FLAGS)
        return UserError(_fault(name, flags, argv[1:], str(error)), hint=f"see `stagecraft {name} --help`")


def _fault(name: str, flags: Sequence[Flag], words: Sequence[str], error: str) -> str:
    """Say what the parser found wrong, in terms of the command's flags."""
    known = {f"--{n}": f for f in flags for n in (f.name, *f.aliases)} | {f"-{f.short}": f for f in flags if f.short}
    if lacking := _LACKS_VALUE.search(error):
        return f"--{lacking[1].replace('_', '-')} needs a value"
    stranger = _STRANGER.search(error)
    word = str(ast.literal_eval(stranger[1])) if stranger else ""
    if word.startswith("-") and word != "-":
        near = nearest(word, [name for name in known if name.startswith("--")])
        return f"{name} has no flag {word}" + (f"; did you mean {near}?" if near else "")
    before = next((former for former, one in itertools.pairwise(words) if one == word), "")
    # Invoke cuts `--flag=value` in two before it looks at either
    joined = next((w.partition("=")[0] for w in words if w.startswith("-") and w.partition("=")[2] == word), "")
    flag = known.get(joined) or known.get(before)
    if flag is not None and not isinstance(flag.default, bool):
        return f"--{flag.name} is given twice"
    if flag is not None and joined:
        return f"--{flag.name} takes no value"
    services = next((f.name for f in flags if f.complete == "service"), "")
    return f"{name} takes no {word!r}" + (f"; is it a service? then write --{services} {word}" if services else "")


def build_collection(commands: Sequence[CommandLine], edge: Edge | None = None) -> Collection:
    """Return the commands as an Invoke collection; groups become sub-collections."""
    root = Collection(auto_dash_names=True)
    groups: dict[str, Collection] = {}
    for command in commands:
        group, _, name = command.name.rpartition(" ")
        task = CommandTask(command, edge)
        if group:
            if group not in groups:
                groups[group] = Collection(group)
                root.add_collection(groups[group])
            groups[group].add_task(task, name)
        else:
            root.add_task(task, name)
    return root


def _argument(flag: Flag) -> Argument:
    names = (flag.name, *((flag.short,) if flag.short else ()), *flag.aliases)
    # numbers are read where a fault of theirs can be named; lists may be given more than once, `--host a --host b`
    kind = bool if isinstance(flag.default, bool) else list if isinstance(flag.default, tuple) else str
    default = flag.default if not isinstance(flag.default, tuple) else None
    # Invoke cannot bear an attribute name that equals the flag's own
    attribute = flag.name.replace("-", "_") if "-" in flag.name else None
    return Argument(names=names, kind=kind, default=default, help=flag.help, attr_name=attribute)
