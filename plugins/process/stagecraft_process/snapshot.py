"""Copy a folder to a place named by its content.

The digest is the SHA-256 over one line per entry, sorted by path: kind, mode (``755`` or ``644``: whether its owner may
execute it), path, and the SHA-256 of its content or a link's target. Equal content gives an equal digest on every
machine; times, owners and the umask of a checkout do not matter. The digest is computed from the very bytes that are
copied, so it is true even when a file changes meanwhile.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from stagecraft_hookspecs.errors import ProviderError, UserError

from stagecraft_process import layout
from stagecraft_process.dockerignore import brings_back, compile_ignore

#: Never part of a snapshot: Stagecraft's own state, histories, and what running leaves behind.
LEFT_OUT = frozenset({".stagecraft", ".git", ".hg", ".svn", "__pycache__"})
_CHUNK = 1024 * 1024


def take(home: str, folder: str, mounts: Mapping[str, str] | None = None) -> str:
    """Snapshot a folder and return its digest (``sha256:…``). Safe to repeat and to kill.

    Args:
        home: The environment's folder; the snapshot goes below it.
        folder: Absolute path of what to copy, its ``.dockerignore`` respected.
        mounts: Relative path to what is mounted there: a link to it takes the place of what the folder has there.

    Raises:
        UserError: The folder is missing, or holds a link that leaves it or what is neither file, folder nor link.
        ProviderError: The copy cannot be written.
    """
    import shutil
    import tempfile

    if not os.path.isdir(folder):
        raise UserError(
            f"there is no folder {folder}", hint="correct the service's `build.context` in the compose file"
        )
    base = os.path.join(home, "snapshots")
    os.makedirs(base, mode=0o700, exist_ok=True)
    temporary = tempfile.mkdtemp(prefix="new-", dir=base)
    try:
        os.chmod(temporary, 0o755)
        mounts = mounts or {}
        inside = tuple(f"{path}/" for path in mounts)
        found = (
            [(p, i) for p, i in walk(folder, home) if not f"{p}/".startswith(inside)] if inside else walk(folder, home)
        )
        entries = [_copy(folder, temporary, path, info) for path, info in found]
        entries += [_mount(temporary, path, to) for path, to in sorted(mounts.items())]
        digest = digest_of(entries)
        _place(home, digest, temporary, entries)
    except OSError as error:
        raise ProviderError(
            f"the snapshot of {folder} failed: {os.strerror(error.errno or 0)}: {error.filename or base}",
            hint="free disk space or correct the permissions, then deploy again",
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return digest


def digest_of(entries: list[dict[str, Any]]) -> str:
    """Return the digest over a snapshot's entries."""
    total = hashlib.sha256()
    for e in entries:
        total.update(f"{e['kind']}\0{e['mode']:o}\0".encode() + os.fsencode(e["path"]) + f"\0{e['content']}\n".encode())
    return f"sha256:{total.hexdigest()}"


def complete(home: str, digest: str) -> bool:
    """Tell whether a snapshot is there with every entry in its size: a loss of power may have left less."""
    target = layout.snapshot_folder(home, digest)
    try:
        with open(f"{target}.json", "rb") as stream:
            entries = json.loads(stream.read())
        for entry in entries:
            info = os.lstat(os.path.join(target, entry["path"]))
            if entry["kind"] != _kind(info) or (entry["kind"] == "file" and info.st_size != entry["size"]):
                return False
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return True


def walk(folder: str, home: str) -> Iterator[tuple[str, os.stat_result]]:
    """Yield each entry that belongs to a snapshot, relative and sorted by path, with its status."""
    text = ""
    try:
        with open(os.path.join(folder, ".dockerignore"), encoding="utf-8", errors="replace") as stream:
            text = stream.read()
    except FileNotFoundError:
        pass
    ignored, deep = compile_ignore(text), brings_back(text)
    own = os.path.realpath(home)
    yield from sorted(_below(os.path.realpath(folder), "", ignored, deep, own), key=lambda e: os.fsencode(e[0]))


def _below(
    root: str, path: str, ignored: Callable[[str], bool], deep: bool, own: str
) -> Iterator[tuple[str, os.stat_result]]:
    with os.scandir(os.path.join(root, path)) as found:
        entries = list(found)
    for entry in entries:
        name = f"{path}/{entry.name}" if path else entry.name
        if entry.name in LEFT_OUT or entry.path == own:
            continue
        info = entry.stat(follow_symlinks=False)
        skipped = ignored(name)
        if stat.S_ISDIR(info.st_mode):
            if skipped and not deep:
                continue
            inner = list(_below(root, name, ignored, deep, own))
            if not skipped or inner:
                yield name, info
            yield from inner
        elif not skipped:
            yield name, info


def _copy(folder: str, temporary: str, path: str, info: os.stat_result) -> dict[str, Any]:
    kind = _kind(info)
    source, target = os.path.join(folder, path), os.path.join(temporary, path)
    mode = 0o755 if kind == "folder" or info.st_mode & 0o100 else 0o644
    if kind == "folder":
        os.mkdir(target)
        os.chmod(target, mode)
        return {"kind": kind, "mode": mode, "path": path, "size": 0, "content": ""}
    if kind == "link":
        return {
            "kind": kind,
            "mode": 0o777,
            "path": path,
            "size": 0,
            "content": _copy_link(folder, source, target, path),
        }
    if kind == "other":
        raise UserError(
            f"{path} in {folder} is neither a file, a folder nor a link, and cannot be part of a snapshot",
            hint=f"remove it, or add {path} to {folder}/.dockerignore",
        )
    size, content = _copy_file(source, target, mode)
    return {"kind": kind, "mode": mode, "path": path, "size": size, "content": content}


def _mount(temporary: str, path: str, to: str) -> dict[str, Any]:
    target = os.path.join(temporary, path)
    os.makedirs(os.path.dirname(target), mode=0o755, exist_ok=True)
    os.symlink(to, target)
    return {"kind": "link", "mode": 0o777, "path": path, "size": 0, "content": to}


def _copy_file(source: str, target: str, mode: int) -> tuple[int, str]:
    total, size = hashlib.sha256(), 0
    with open(source, "rb") as reader, open(target, "xb", buffering=0) as writer:
        while data := reader.read(_CHUNK):
            total.update(data)
            size += len(data)
            writer.write(data)
        os.fchmod(writer.fileno(), mode)
    return size, total.hexdigest()


def _copy_link(folder: str, source: str, target: str, path: str) -> str:
    to, root = os.readlink(source), os.path.realpath(folder)
    real = os.path.realpath(source)
    if os.path.isabs(to) or not f"{real}/".startswith(f"{root}/"):
        raise UserError(
            f"the link {path} in {folder} leads out of it, to {to}",
            hint=f"put a copy in its place, or add {path} to {folder}/.dockerignore",
        )
    os.symlink(to, target)
    return to


def _place(home: str, digest: str, temporary: str, entries: list[dict[str, Any]]) -> None:
    target = layout.snapshot_folder(home, digest)
    if complete(home, digest):
        os.utime(target)
        return
    if os.path.lexists(target):  # damaged: what runs in it keeps its files until it ends
        os.rename(target, f"{temporary}.old")
    _sync(temporary, entries)
    os.rename(temporary, target)
    with open(f"{temporary}.json", "xb") as stream:
        stream.write(json.dumps(entries).encode())
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(f"{temporary}.json", f"{target}.json")
    _remove(f"{temporary}.old")


def _sync(folder: str, entries: list[dict[str, Any]]) -> None:
    for entry in entries:
        if entry["kind"] == "file":
            descriptor = os.open(os.path.join(folder, entry["path"]), os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def _remove(path: str) -> None:
    import shutil

    shutil.rmtree(path, ignore_errors=True)


def _kind(info: os.stat_result) -> str:
    if stat.S_ISREG(info.st_mode):
        return "file"
    if stat.S_ISDIR(info.st_mode):
        return "folder"
    return "link" if stat.S_ISLNK(info.st_mode) else "other"
