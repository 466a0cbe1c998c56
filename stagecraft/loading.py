"""Read a project: its compose file with the environment's variables, its plugins, the names of its secrets."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from stagecraft_hookspecs.errors import ConfigError, PluginBroken, Problem, StagecraftError, UserError
from stagecraft_hookspecs.values import Project as View
from stagecraft_hookspecs.values import Secret, reference

from stagecraft.folder import ProjectFolder
from stagecraft.project import Project

if TYPE_CHECKING:
    from pathlib import Path

    from stagecraft_hookspecs.secrets import Secrets

    from stagecraft.config import Config, RawConfig
    from stagecraft.kernel import Kernel

LOCAL_HOOKS = "stagecraft_hooks.py"

#: Stands for a secret that only its provider knows, wherever the compose file uses it outside of an environment.
PLACEHOLDER = "secret"


def load_project(
    config: Config, kernel: Kernel, *, no_plugins: bool = False, environ: Mapping[str, str] | None = None
) -> Project:
    """Read one environment of a project; runs nothing.

    Args:
        no_plugins: Load only what the configuration names as providers: neither ``plugins:`` nor ``stagecraft_hooks.py``.
        environ: Variables for the compose file; those of the process by default.

    Raises:
        ConfigError: With every fault of the compose file.
        UserError: An env file cannot be read.
        PluginBroken: A plugin that the project needs cannot be loaded.
    """
    from stagecraft.compose import load

    for kind in sorted(config.providers):
        chosen = config.providers[kind]
        kernel.lookup(kind, chosen.name)
    if not no_plugins:
        for name in config.plugins:
            kernel.load(name, config.mark("plugins"))
        _local_hooks(config.root, kernel)
    around = dict(os.environ if environ is None else environ)
    values = _env_files(config, around)
    effective = {name: around.get(name, value) for name, value in sorted(values.items())}
    provided = _provided_names(config)
    references = {name: reference(name) for name in (*effective, *provided)}
    compose = load(
        config.root,
        [config.root / name for name in config.compose_files] or None,
        {"STAGECRAFT_ENVIRONMENT": config.environment, **dict.fromkeys(provided, PLACEHOLDER), **values, **around},
        config.profiles,
        project_name=f"{config.project}-{config.environment}",
        references=references,
    )
    secrets = {name: Secret(name, value) for name, value in {**effective, **compose.hidden}.items() if value}
    return Project(config, compose, kernel, secrets)


def faults_of(raw: RawConfig, kernel: Kernel) -> tuple[Problem, ...]:
    """Return every fault of the configuration, or when it has none, those of the compose file as each environment sees it.

    Names in the configuration that are not services of that file are faults, too.
    """
    from stagecraft.config import resolve, validate
    from stagecraft.config.checks import unknown_services

    problems = list(validate(raw, kernel.lookup, kernel.catalog.defaults))
    if problems:
        return tuple(problems)
    for name in raw.environments or (None,):
        try:
            config = resolve(raw, name, kernel.lookup, kernel.catalog.defaults)
            compose = load_project(config, kernel, no_plugins=True).compose
            problems += unknown_services(config, {*compose.services, *compose.disabled_services})
        except ConfigError as error:
            problems += error.problems
        except UserError as error:
            problems.append(Problem(error.message, error.hint, error.where))
    return tuple(dict.fromkeys(problems))


def _provided_names(config: Config) -> tuple[str, ...]:
    """Return the names that the secrets provider will answer for, as far as the project's files tell."""
    chosen = config.providers.get("secrets")
    if chosen is None:
        return ()
    view = View(config.project, config.environment, ProjectFolder(config.root))
    return tuple(sorted(cast("Secrets", chosen.provider()).names(view)))


def _env_files(config: Config, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of the environment's env files, later files over earlier ones."""
    from stagecraft.compose.envfile import read_env_file

    values: dict[str, str] = {}
    for name in config.env_files:
        path = config.root / name
        if not path.is_file():
            raise UserError(
                f"the env file {name} is not there",
                hint="make it, or take it out of `env_file`",
                where=config.mark("environments", config.environment, "env_file"),
            )
        known: dict[str, Any] = {**values, **environ}
        values.update(read_env_file(path, name, known.get))
    return values


def _local_hooks(root: Path, kernel: Kernel) -> None:
    """Load the project's own hooks, which need no packaging."""
    path = root / LOCAL_HOOKS
    if not path.exists() or "stagecraft_hooks" in kernel.loaded:
        return
    import importlib.util

    spec = importlib.util.spec_from_file_location("stagecraft_hooks", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        kernel.register(module, "stagecraft_hooks")
    except (Exception, SystemExit) as error:  # the file may even call sys.exit()
        reason = error.message if isinstance(error, StagecraftError) else f"{type(error).__name__}: {error}"
        raise PluginBroken(
            f"{LOCAL_HOOKS} cannot be loaded: {reason}",
            hint=f"mend it, or run with --no-plugins; it lies beside {root.name}'s configuration",
        ) from error
