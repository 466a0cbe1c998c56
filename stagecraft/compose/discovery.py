"""Find a project's compose files, env files, profiles and name, as Docker Compose does."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path as FilePath

import attrs
from stagecraft_hookspecs.errors import Mark

from stagecraft.compose.envfile import read_env_files
from stagecraft.compose.faults import fail
from stagecraft.compose.interpolate import TemplateError, substitute
from stagecraft.compose.layers import Disk

FILE_NAMES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
OVERRIDE_NAMES = (
    "compose.override.yml", "compose.override.yaml", "docker-compose.override.yml", "docker-compose.override.yaml",
)  # fmt: skip


@attrs.frozen
class Sources:
    """What a project is read from: its files, its folder, and the variables of the environment and `.env`."""

    files: tuple[FilePath, ...]
    folder: FilePath
    environ: Mapping[str, str]


def find_sources(
    disk: Disk, files: Sequence[FilePath] | None, environ: Mapping[str, str], env_files: Sequence[FilePath] | None
) -> Sources:
    """Find files and variables: `.env` may name the compose files, whose folder may have an `.env` of its own."""
    if env_files is None and environ.get("COMPOSE_ENV_FILES"):
        env_files = [FilePath(name) for name in environ["COMPOSE_ENV_FILES"].split(",")]
    found: tuple[FilePath, ...] = ()
    for _ in range(2):
        found = _compose_files(disk.project_dir, files, environ)
        folder = found[0].parent if found else disk.project_dir
        environ = {**_variables(disk, folder, environ, env_files), **environ}
    if not found:
        looked = ", ".join(FILE_NAMES)
        raise fail(f"no compose file here (looked for {looked})", "write one, or name it with `compose:` in the config")
    return Sources(found, found[0].parent, environ)


def _compose_files(
    project_dir: FilePath, files: Sequence[FilePath] | None, environ: Mapping[str, str]
) -> tuple[FilePath, ...]:
    if files:
        return tuple(FilePath(os.path.normpath(project_dir / file)) for file in files)
    if "COMPOSE_FILE" in environ:
        separator = environ.get("COMPOSE_PATH_SEPARATOR") or os.pathsep
        named = [FilePath(os.path.normpath(project_dir / n)) for n in environ["COMPOSE_FILE"].split(separator)]
        for file in named:
            if not file.exists():
                raise fail(
                    f"COMPOSE_FILE names {file.name}, which is not there", "correct COMPOSE_FILE", Mark(str(file))
                )
        return tuple(named)
    for folder in (project_dir, *project_dir.parents):
        main = next((folder / name for name in FILE_NAMES if (folder / name).exists()), None)
        if main is not None:
            override = next((folder / name for name in OVERRIDE_NAMES if (folder / name).exists()), None)
            return (main, override) if override else (main,)
    return ()


def _variables(
    disk: Disk, folder: FilePath, environ: Mapping[str, str], env_files: Sequence[FilePath] | None
) -> dict[str, str]:
    if env_files:
        paths = [FilePath(os.path.normpath(disk.project_dir / file)) for file in env_files]
    elif environ.get("COMPOSE_DISABLE_ENV_FILE", "").lower() in ("1", "t", "true"):
        return {}
    else:
        paths = [folder / ".env"] if (folder / ".env").is_file() else []
    disk.files.update(dict.fromkeys(paths))
    return read_env_files(paths, {path: disk.shown(path) for path in paths}, environ)


def active_profiles(profiles: Sequence[str], environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the given profiles, else those of COMPOSE_PROFILES."""
    if profiles:
        return tuple(profiles)
    return tuple(name.strip() for name in environ.get("COMPOSE_PROFILES", "").split(",") if name.strip())


def normalize_name(text: str) -> str:
    """Make a project name of any text: lower case, only letters, digits, `_` and `-`, none of the last two in front."""
    return re.sub(r"[^a-z0-9_-]", "", text.lower()).lstrip("_-")


def peek_name(given: str | None, sources: Sources, disk: Disk) -> str:
    """Choose the project's name: given, COMPOSE_PROJECT_NAME, the last file's `name`, the folder's name."""
    for name in (given, sources.environ.get("COMPOSE_PROJECT_NAME")):
        if name:
            if name != normalize_name(name):
                hint = "use lower-case letters, digits, `-` and `_`, beginning with a letter or digit"
                raise fail(f"`{name}` is not a project name", hint)
            return name
    named, where = "", None
    for document in (document for file in sources.files for document in disk.documents(file)):
        value = document.data.get("name")
        if isinstance(value, str) and value:
            named, where = value, document.mark(("name",))
    try:
        chosen = normalize_name(substitute(named, sources.environ.get))
    except TemplateError as error:
        raise fail(error.message, error.hint, where) from None
    chosen = chosen or ("" if named else normalize_name(sources.folder.name))
    if not chosen:
        raise fail("the project name is empty", "add a `name:` of letters and digits to the compose file", where)
    return chosen
