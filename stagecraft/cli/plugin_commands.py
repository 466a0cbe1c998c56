"""Commands from plugins: asked for only when the help is shown or the first word is not a built-in command."""

from __future__ import annotations

from collections.abc import Iterable

from stagecraft_hookspecs.commands import CommandLine
from stagecraft_hookspecs.errors import PluginFault, StagecraftError

from stagecraft.output.sink import Sink


def plugin_commands(sink: Sink) -> tuple[CommandLine, ...]:
    """Return the commands of all installed plugins, by name; a plugin that fails is noted and passed over."""
    import os

    from stagecraft.kernel import Kernel, scan

    only = os.environ.get("STAGECRAFT_PLUGINS")
    kernel = Kernel(scan(None if only is None else [name.strip() for name in only.split(",") if name.strip()]))
    kernel.load_all()
    for name, broken in sorted(kernel.broken.items()):
        sink.note(f"warning: plugin {name} ({broken.distribution}) cannot be loaded: {broken.reason}")
    found: dict[str, CommandLine] = {}
    for name, result in kernel.each("stagecraft_commands"):
        try:
            for command in _checked(name, result):
                if command.name in found:
                    raise PluginFault(f"command {command.name!r} comes from more than one plugin, {name} among them")
                found[command.name] = command
        except StagecraftError as error:
            sink.note(f"warning: the commands of plugin {name} are left out: {error.message}")
    return tuple(command for _, command in sorted(found.items()))


def _checked(name: str, result: object) -> Iterable[CommandLine]:
    if isinstance(result, StagecraftError):
        raise result
    if result is None:
        return ()
    if not isinstance(result, Iterable) or not all(isinstance(command, CommandLine) for command in result):
        raise PluginFault(f"stagecraft_commands of {name} must return command lines, not {result!r}")
    return tuple(result)
