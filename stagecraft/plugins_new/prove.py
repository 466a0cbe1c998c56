"""Run the contract suites: of a plugin's project by its own tests, of installed plugins by what their modules provide."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import attrs
from stagecraft_hookspecs.errors import PluginBroken, Refused, ToolMissing, UserError
from stagecraft_hookspecs.values import Command

from stagecraft.kernel import Catalog, Kernel

#: Takes an installed plugin's suites into a test module.
_MODULE = "from stagecraft_hookspecs.contract.installed import suites\n\nglobals().update(suites({module!r}))\n"


@attrs.frozen
class Proof:
    """Say how one plugin did: its name or project folder, and whether it keeps to the contract."""

    subject: str
    passed: bool
    output: str = attrs.field(default="", repr=False)


def is_project(folder: Path) -> bool:
    """Tell whether a folder is the project of a plugin: its pyproject.toml has an entry point of the group."""
    import tomllib

    try:
        document = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))
    except (OSError, ValueError):
        return False
    return bool(document.get("project", {}).get("entry-points", {}).get("stagecraft"))


def choose(target: str, catalog: Catalog, cwd: Path) -> Path | tuple[str, ...]:
    """Return the project folder or the names of installed plugins that are meant.

    Args:
        target: A name, a folder, or nothing: the project in the current folder, else every installed plugin.

    Raises:
        UserError: A folder that is no plugin's project, or nothing to test.
        NotFound: No plugin of the name.
    """
    from stagecraft_hookspecs.errors import NotFound

    if not target:
        if is_project(cwd):
            return cwd
        if not catalog.plugins:
            raise UserError("there is no plugin to test", hint="give the folder of a plugin's project")
        return tuple(sorted(catalog.plugins))
    if target in catalog.plugins:
        return (target,)
    folder = cwd / target
    if folder.is_dir():
        if not is_project(folder):
            raise UserError(
                f"{target} is no plugin's project: its pyproject.toml has no [project.entry-points.stagecraft]",
                hint="make one with `stagecraft plugins new NAME --kind KIND`",
            )
        return folder
    raise NotFound("plugin or folder", target, catalog.plugins)


def prove(
    chosen: Path | Sequence[str], kernel: Kernel, run: Callable[[Command], tuple[int, str]], scratch: Path
) -> tuple[Proof, ...]:
    """Run the suites and say how each plugin did.

    Args:
        run: Runs a command and returns its exit code and output.
        scratch: An empty folder for test modules.

    Raises:
        ToolMissing: pytest is not installed.
        PluginBroken: An installed plugin cannot be loaded.
    """
    require_pytest()
    if isinstance(chosen, Path):
        if not (chosen / "tests").is_dir():
            raise Refused(
                f"{chosen} has no folder `tests`",
                hint="write one as stagecraft_hookspecs.contract shows in its docstring",
            )
        code, output = run(_pytest(chosen))
        return (Proof(str(chosen), code == 0, output),)
    return tuple(_installed(name, kernel, run, scratch) for name in chosen)


def require_pytest() -> None:
    """Raise ToolMissing unless this interpreter has pytest."""
    import importlib.util

    if importlib.util.find_spec("pytest") is None:
        raise ToolMissing(
            "pytest is not installed, and the contract suites are tests",
            hint=f'{sys.executable} -m pip install "stagecraft-hookspecs[contract]"',
        )


def _installed(name: str, kernel: Kernel, run: Callable[[Command], tuple[int, str]], scratch: Path) -> Proof:
    try:
        kernel.load(name)
    except PluginBroken as error:
        return Proof(name, False, f"{error.message}\n")
    folder = scratch / name
    folder.mkdir()
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "test_contract.py").write_text(_MODULE.format(module=kernel.catalog.plugins[name].module))
    code, output = run(_pytest(folder))
    # pytest says 5 when it finds no test: a plugin that provides nothing
    return Proof(name, code == 0, output)


def _pytest(folder: Path) -> Command:
    words = ("-m", "pytest", "-q", "--no-header", "-p", "no:cacheprovider", "--import-mode=importlib")
    # the interpreter must not take modules from the folder by accident: only the project's own settings say what is there
    return Command((sys.executable, "-P", *words, "--rootdir", str(folder), str(folder)), cwd=str(folder))
