"""Read one environment's provider blocks, and turn faults into problems with path and place."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import attrs
from stagecraft_hookspecs.errors import (
    ConfigError,
    Mark,
    PluginFault,
    Problem,
    ProviderError,
    StagecraftError,
    UserError,
)

from stagecraft.config.assemble import Tree
from stagecraft.config.faults import Fault
from stagecraft.config.fill import Unset
from stagecraft.config.leaves import read_any
from stagecraft.config.model import Chosen
from stagecraft.config.strict import structure

if TYPE_CHECKING:
    from cattrs import BaseConverter
    from stagecraft_hookspecs.provider import Provider

    from stagecraft.config.document import RawConfig

Classes = Callable[[str, str, "Mark | None"], "type[Provider]"]
Path = tuple["str | int", ...]


@attrs.define(eq=False, repr=False)
class Resolution:
    """One environment while it is read: what was found, and everything that is wrong with it."""

    raw: RawConfig
    tree: Tree
    classes: Classes
    converter: BaseConverter
    faults: list[Fault] = attrs.Factory(list)
    problems: list[Problem] = attrs.Factory(list)
    #: A plugin that cannot be loaded is no fault of the file; it is raised when the file has none.
    broken: StagecraftError | None = None

    def report(self) -> list[Problem]:
        """Return every problem found so far; each fault with its path and place in the file."""
        found = [self.problem(f, self.tree.origin(f.path)) for f in self.faults]
        found += [self.problem(f, f.path) for f in self.tree.faults]
        return [*self.problems, *found]

    def problem(self, fault: Fault, path: Path) -> Problem:
        """Put a fault at a path of the file into words."""
        document = self.raw.document
        where = document.key_mark(path) if fault.at_key else document.mark(path)
        text = fault.message + (f", got {fault.got}" if fault.got else "")
        return Problem(f"{dotted(path)}: {text}" if path else text, fault.hint or _SCHEMA_HINT, where)

    def chosen(self, kind: str, name: str, named_at: Path, block: Any, block_at: Path) -> Chosen | None:
        """Look a provider up and read its block."""
        if isinstance(name, Unset):
            self.faults.append(Fault(named_at, name.reason, "", name.hint))
            return None
        where = self.tree.origin(named_at)
        try:
            cls = self.classes(kind, str(name), self.raw.document.mark(where))
        except ConfigError as error:
            self.problems.extend(error.problems)
            return None
        except (ProviderError, PluginFault) as error:
            self.broken = self.broken or error
            return None
        except UserError as error:
            place = error.where or self.raw.document.mark(where)
            self.problems.append(Problem(f"{dotted(where)}: {error.message}", error.hint, place))
            return None
        self.faults.extend(unset(block, block_at))
        before = len(self.faults)
        config = structure(self.converter, block, cls.Config, self.faults, block_at)
        if config is None or len(self.faults) > before:
            return None
        return Chosen(kind, str(name), cls, config, read_any(block))


_SCHEMA_HINT = "`stagecraft config schema` prints every key and its type"


def dotted(path: Path) -> str:
    """Write a path as in messages: `hosts.app[1].port`."""
    text = ""
    for step in path:
        shown = str(step) if len(str(step)) <= 80 else str(step)[:77] + "…"
        text += f"[{step}]" if isinstance(step, int) else f".{shown}" if text else shown
    return text.encode("unicode_escape").decode() if not text.isprintable() else text


def unset(value: Any, at: Path) -> Iterable[Fault]:
    """Yield a fault for every variable without a value, below a path of the tree."""
    if isinstance(value, Unset):
        yield Fault(at, value.reason, "", value.hint)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from unset(item, (*at, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from unset(item, (*at, index))
