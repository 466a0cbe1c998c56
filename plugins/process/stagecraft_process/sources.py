"""Find a service's folder, and which container paths its parts stand for. Pure: reads the project's files only."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import attrs

from stagecraft_process import dockerfile

if TYPE_CHECKING:
    from stagecraft_hookspecs.runtime import Deployment, Service


@attrs.frozen
class Source:
    """Say where a service's folder is and what its Dockerfile says.

    Attributes:
        folder: The folder to snapshot: relative to the project, or absolute as the compose file's normal form has it;
            empty without.
        recipe: What the Dockerfile would run.
        paths: Container path to the path below the snapshot that stands for it, from ``COPY`` and the working directory.
        workdir: The image's working directory, absolute; empty if nothing names one.
        files: Container path of each of the compose file's ``configs`` and ``secrets`` to the file it comes from.
    """

    folder: str = ""
    recipe: dockerfile.Recipe = attrs.field(factory=dockerfile.Recipe)
    paths: Mapping[str, str] = attrs.field(factory=dict)
    workdir: str = ""
    files: Mapping[str, str] = attrs.field(factory=dict)


def find_source(service: Service, deployment: Deployment) -> Source:
    """Find a service's folder: its build context, or else what is bind-mounted at its working directory."""
    files = {target: file for _, target, file in file_mounts(service, deployment) if file}
    return attrs.evolve(_folder(service, deployment), files=files)


def file_mounts(service: Service, deployment: Deployment) -> Iterator[tuple[str, str, str]]:
    """Yield kind, container path and file of each of a service's ``configs`` and ``secrets``; no file where none is named."""
    for kind, base in (("configs", "/"), ("secrets", "/run/secrets/")):
        for entry in service.definition.get(kind) or ():
            given = {"source": entry} if isinstance(entry, str) else entry
            file = ((deployment.definition.get(kind) or {}).get(given["source"]) or {}).get("file")
            target = str(given.get("target") or given["source"])
            path = clean(target if target.startswith("/") else base + target)
            yield kind, path, within(str(file), deployment.root) if file else ""


def _folder(service: Service, deployment: Deployment) -> Source:
    definition = service.definition
    working = str(definition.get("working_dir") or "")
    build = definition.get("build")
    if service.build is None and not build:
        for mount in mounts(definition):
            if mount.get("type") == "bind" and working and clean(str(mount["target"])) == clean(working):
                return Source(str(mount["source"]), paths={clean(working): ""}, workdir=clean(working))
        return Source()
    if service.build is not None:
        context, target, given = service.build.context, service.build.target, service.build.args
        path, inline = service.build.dockerfile, service.build.dockerfile_inline
    else:
        block: dict[str, Any] = {"context": build} if isinstance(build, str) else dict(build or {})
        context, target, given = block.get("context", "."), block.get("target", ""), block.get("args") or {}
        path, inline = block.get("dockerfile", "Dockerfile"), block.get("dockerfile_inline", "")
    context = within(context, deployment.root)
    text = inline or _read(deployment, posixpath.join(context, path))
    recipe = dockerfile.read(text, target=target, args={k: str(v) for k, v in given.items() if v is not None})
    workdir = recipe.workdir or working
    workdir = clean(workdir) if workdir.startswith("/") else ""
    found = _copied(recipe, deployment, context)
    if workdir not in ("", "/") and not covering(workdir, found):
        found[workdir] = ""
    return Source(context, recipe, found, workdir)


def _copied(recipe: dockerfile.Recipe, deployment: Deployment, context: str) -> dict[str, str]:
    """Return where in the image which part of the build context is: a folder's content at the target, a file at or below it."""
    found = {}
    for source, target in recipe.copies:
        path = posixpath.normpath(source.lstrip("/") or ".")
        if path.startswith(".."):
            continue
        into = target.endswith(("/", "/."))
        if path != "." and into and not _is_folder(deployment, posixpath.join(context, path)):
            target = posixpath.join(target, posixpath.basename(path))
        if clean(target) != "/":
            found[clean(target)] = "" if path == "." else path
    return found


def _is_folder(deployment: Deployment, path: str) -> bool:
    from stagecraft_hookspecs.errors import UserError

    try:
        return deployment.folder is not None and bool(deployment.folder.glob(f"{posixpath.normpath(path)}/*"))
    except UserError:
        return False


def covering(path: str, known: Mapping[str, str]) -> str:
    """Return the longest known path that is ``path`` or above it; empty without one."""
    return max((k for k in known if f"{path}/".startswith(f"{k}/")), key=len, default="")


def relative(service: Service, root: str) -> Service:
    """Return a service whose bind mounts name their sources relative to the project, where they lie in it."""
    volumes = [
        {**v, "source": within(str(v["source"]), root)} if isinstance(v, Mapping) and v.get("type") == "bind" else v
        for v in service.definition.get("volumes") or ()
    ]
    return attrs.evolve(service, definition={**service.definition, "volumes": volumes})


def within(path: str, root: str) -> str:
    """Return a path relative to the project's folder, if it lies in it."""
    inside = root and f"{posixpath.normpath(path)}/".startswith(f"{posixpath.normpath(root)}/")
    return posixpath.relpath(path, root) if inside else path


def _read(deployment: Deployment, path: str) -> str:
    from stagecraft_hookspecs.errors import UserError

    path = posixpath.normpath(path)
    try:
        if deployment.folder is None or not deployment.folder.exists(path):
            return ""
        return deployment.folder.read(path).decode(errors="replace")
    except UserError:
        return ""


def mounts(definition: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return a service's mounts in long form, ``tmpfs`` among them."""
    found = [m for m in definition.get("volumes") or () if isinstance(m, Mapping)]
    listed = definition.get("tmpfs") or ()
    return [
        *found,
        *({"type": "tmpfs", "target": t.partition(":")[0]} for t in ([listed] if isinstance(listed, str) else listed)),
    ]


def clean(path: str) -> str:
    """Return a container path without doubled or trailing slashes."""
    return posixpath.normpath("/" + path.lstrip("/"))
