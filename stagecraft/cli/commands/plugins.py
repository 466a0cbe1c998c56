"""``stagecraft plugins``: what is installed, a new plugin, the contract suites."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stagecraft_hookspecs.commands import CommandLine, Flag

if TYPE_CHECKING:
    from stagecraft_hookspecs.values import Command

    from stagecraft.cli.session import Session


def list_plugins(flags: Mapping[str, Any], session: Session) -> int:
    """Print the installed plugins with kinds, versions, origin and faults; the exit code is 1 when one is broken."""
    from stagecraft.output.plugins import as_document, as_table

    rows = as_document(session.kernel)
    if session.json:
        session.emit(rows)
    else:
        session.say(as_table(rows, session.sink.style))
    return 1 if any(row["fault"] for row in rows) else 0


def new_plugin(flags: Mapping[str, Any], session: Session) -> int:
    """Write the project of a new plugin."""
    from stagecraft_hookspecs.errors import Refused

    from stagecraft.plugins_new import generate, names_of

    names = names_of(flags["name"], flags["kind"])
    if names.name in session.kernel.catalog.plugins:
        owner = session.kernel.catalog.plugins[names.name].distribution
        raise Refused(f"a plugin {names.name!r} is installed already, from {owner}", hint="choose another name")
    folder = session.cwd / (flags["path"] or names.distribution)
    files = [str(path.relative_to(folder)) for path in generate(names, folder)]
    shown = str(folder.relative_to(session.cwd)) if folder.is_relative_to(session.cwd) else str(folder)
    if session.json:
        session.emit({"name": names.name, "kind": names.kind, "folder": str(folder), "files": files})
        return 0
    session.say(f"made {shown}, a {names.kind} named {names.name}:")
    for file in files:
        session.say(f"  {file}")
    session.say(f"next: stagecraft plugins test {shown}")
    return 0


def test_plugins(flags: Mapping[str, Any], session: Session) -> int:
    """Run the contract suites of a project's plugin or of installed ones."""
    import tempfile
    from pathlib import Path

    from stagecraft_hookspecs.errors import ToolMissing

    from stagecraft.machine.local import LocalMachine
    from stagecraft.machine.scope import Scope
    from stagecraft.plugins_new.prove import choose, prove

    machine = LocalMachine(session.cwd, Scope())

    def run(command: Command) -> tuple[int, str]:
        lines: list[str] = []

        def show(line: str) -> None:
            lines.append(line)
            session.say(line)

        result = machine.run(command, check=False, on_line=show)
        if result.exit_code in (3, 4):
            raise ToolMissing("pytest cannot run here", hint="see what it printed above", detail=result.stderr)
        return result.exit_code, "\n".join(lines)

    chosen = choose(flags["target"], session.kernel.catalog, session.cwd)
    with tempfile.TemporaryDirectory(prefix="stagecraft-plugins-") as scratch:
        proofs = prove(chosen, session.kernel, run, Path(scratch))
    if session.json:
        session.emit([{"subject": p.subject, "passed": p.passed, "output": p.output} for p in proofs])
    for proof in proofs:
        session.say(f"{proof.subject}: {'keeps to the contract' if proof.passed else 'breaks the contract'}")
    return 0 if all(proof.passed for proof in proofs) else 1


_KINDS = ("backend", "ci", "cloud", "frontend", "migration", "network", "proxy", "runtime", "secrets", "state")

COMMANDS = (
    CommandLine(
        "plugins list",
        "List the installed plugins: kinds, versions, origin, faults",
        list_plugins,
        exit_codes={0: "listed", 1: "listed, and one or more cannot be loaded"},
    ),
    CommandLine(
        "plugins new",
        "Make the project of a new plugin, whose contract tests pass",
        new_plugin,
        flags=(
            Flag("name", "how users will name it: lower-case letters, digits, dashes", metavar="NAME", positional=True),
            Flag("kind", f"what it provides: {', '.join(_KINDS)}", metavar="KIND", choices=_KINDS),
            Flag("path", "the folder to make; default: stagecraft-NAME here", metavar="DIR", complete="file"),
        ),
        exit_codes={0: "made", 1: "a wrong name or kind, or something is there already", 2: "it cannot be written"},
        examples=("stagecraft plugins new vault --kind secrets", "stagecraft plugins test stagecraft-vault"),
    ),
    CommandLine(
        "plugins test",
        "Run the contract suites of a plugin's project or of installed plugins",
        test_plugins,
        flags=(
            Flag(
                "target",
                "an installed plugin or the folder of a plugin's project; default: the project here, else all installed",
                metavar="PLUGIN",
                positional=True,
                complete="file",
            ),
        ),
        exit_codes={0: "all keep to the contract", 1: "one does not, or there is none of that name", 2: "no pytest"},
        examples=("stagecraft plugins test", "stagecraft plugins test ./stagecraft-vault"),
    ),
)
