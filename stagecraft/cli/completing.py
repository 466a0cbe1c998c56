"""What completes a command line: commands, flags, and names from the project in the current folder."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from stagecraft_hookspecs.commands import CommandLine, Flag

from stagecraft.cli.registry import GLOBAL_FLAGS, builtin_commands

if TYPE_CHECKING:
    from stagecraft.cli.session import Session

_SCRIPTS = {
    "bash": """\
_stagecraft() {
    local IFS=$'\\n'
    COMPREPLY=($(stagecraft completion -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
    [[ ${#COMPREPLY[@]} -gt 0 ]] || COMPREPLY=($(compgen -f -- "${COMP_WORDS[COMP_CWORD]}"))
}
complete -o nosort -F _stagecraft stagecraft""",
    "zsh": """\
#compdef stagecraft
_stagecraft() {
    local -a found
    found=("${(@f)$(stagecraft completion -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    if [[ -n "${found[*]}" ]]; then compadd -a found; else _files; fi
}
compdef _stagecraft stagecraft""",
    "fish": """\
function __stagecraft_complete
    set -l words (commandline -opc) (commandline -ct)
    stagecraft completion -- $words[2..-1] 2>/dev/null
end
complete -c stagecraft -f -a '(__stagecraft_complete)'""",
}


def script(shell: str) -> str:
    """Return the script that makes a shell ask ``stagecraft completion -- WORDS``."""
    return _SCRIPTS[shell]


def candidates(words: Sequence[str], session: Session) -> list[str]:
    """Return what the last word may become, sorted; nothing where any file may stand.

    Args:
        words: The words behind ``stagecraft``; the last is the one being typed, and may be empty.
    """
    *before, current = words or [""]
    session.values = {**session.values, **_typed_project(before)}
    commands = builtin_commands()
    command = _command(before, commands)
    if command is None:
        if before and (wanted := _valued(before[-1], GLOBAL_FLAGS)):
            return _values(wanted, current, session)
        typed = _typed_words(before)
        found = _next_words(typed, commands) if not current.startswith("-") else [f"--{f.name}" for f in GLOBAL_FLAGS]
        return sorted(w for w in set(found) if w.startswith(current))
    flags = (*command.flags, *GLOBAL_FLAGS)
    if before and (wanted := _valued(before[-1], flags)):
        return _values(wanted, current, session)
    if current.startswith("-"):
        return sorted(f"--{f.name}" for f in flags if f"--{f.name}".startswith(current))
    positional = next((f for f in command.flags if f.positional), None)
    return _values(positional, current, session) if positional else []


def _command(words: Sequence[str], commands: Sequence[CommandLine]) -> CommandLine | None:
    typed = " ".join(_typed_words(words))
    fitting = [c for c in commands if typed == c.name or typed.startswith(c.name + " ")]
    return max(fitting, key=lambda c: len(c.name), default=None)


def _typed_words(words: Sequence[str]) -> list[str]:
    """Return the words that may name a command: no flags, and not the values of those that every command takes."""
    pairs = zip(["", *words], words, strict=False)
    return [w for before, w in pairs if not w.startswith("-") and not _valued(before, GLOBAL_FLAGS)]


def _next_words(typed: Sequence[str], commands: Iterable[CommandLine]) -> list[str]:
    split = [c.name.split() for c in commands]
    return [parts[len(typed)] for parts in split if parts[: len(typed)] == list(typed) and len(parts) > len(typed)]


def _valued(word: str, flags: Iterable[Flag]) -> Flag | None:
    for flag in flags:
        named = word == f"--{flag.name}" or (flag.short and word == f"-{flag.short}")
        if named and not isinstance(flag.default, bool):
            return flag
    return None


def _values(flag: Flag, current: str, session: Session) -> list[str]:
    if flag.choices:
        names: Iterable[str] = flag.choices
    else:
        names = _names(flag.complete, session)
    # a list of names is completed at its last one
    head, comma, last = current.rpartition(",") if isinstance(flag.default, tuple) else ("", "", current)
    return sorted(f"{head}{comma}{name}" for name in names if name.startswith(last))


def _typed_project(words: Sequence[str]) -> dict[str, str]:
    """Return the environment and the configuration that the words being completed name, since names are theirs."""
    found = {}
    for flag in GLOBAL_FLAGS:
        if flag.name in ("env", "config"):
            for word, value in zip(words, [*words, ""][1:], strict=True):
                name, equals, joined = word.partition("=")
                if value and not equals and _valued(name, [flag]):
                    found[flag.name] = value
                elif joined and _valued(name, [flag]):
                    found[flag.name] = joined
    return found


def _names(what: str, session: Session) -> Iterable[str]:
    """Return names from the project; none when there is no usable one, since completion must not complain."""
    from stagecraft_hookspecs.errors import StagecraftError

    try:
        if what == "environment":
            return list(session.raw.environments)
        if not session.environment and len(session.raw.environments) > 1:
            # none is named yet; services and hosts are mostly the same in all of them
            session.values = {**session.values, "env": next(iter(session.raw.environments))}
        if what == "service":
            return list(session.loaded.services)
        if what == "host":
            return [h.name for h in session.config.hosts]
        if what == "role":
            return list(session.config.roles)
        if what == "release":
            with session.context() as ctx:
                return [r.id for r in session.loaded.state.releases(ctx)]
    except StagecraftError:
        pass
    return []
