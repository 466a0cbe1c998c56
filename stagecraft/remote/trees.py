"""Write a tree of files on a host in two round trips: ask what differs, send that."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Mapping
from typing import TYPE_CHECKING

from stagecraft_hookspecs.errors import ToolMissing
from stagecraft_hookspecs.values import File

from stagecraft.machine.trees import checked, mode_of
from stagecraft.remote.files import absolute, failure, refuse_precious, script

if TYPE_CHECKING:
    from stagecraft.remote.machine import RemoteMachine

_REGULAR = 0o100000
#: Where changed files lie until all of them are there, and the list of those to be removed.
_STAGING, _REMOVED = ".stagecraft-new", ".stagecraft-removed"
# Names are separated by NUL bytes. "F" lines say what is there, then come the digests, then, if asked for, all names.
_LOOK = r"""cd -- "$1" 2>/dev/null || exit 0
xargs -0 sh -c 'stat -c "F %f %n" -- "$@"; sha256sum -- "$@"' sh 2>/dev/null
[ "$2" = 0 ] || { printf "\0\0"; find . '(' -type f -o -type l ')' -print0; }"""
_TAKE = r"""set -e
mkdir -p -- "$1"
cd -- "$1"
rm -rf "$2"
trap 'cd -- "$1" && rm -rf "$2" "$2.gone"' EXIT
trap 'exit 143' TERM HUP
mkdir -m 700 "$2"
tar -C "$2" -xpof -
cd "$2"
list=
[ ! -e "$3" ] || { list=$1/$2/../$2.gone; mv "$3" "../$2.gone"; }
sync . 2>/dev/null || sync
find . -type f -exec sh -c 'root=$1; shift
for f do
  t=$root/$f
  case $f in */*/*) [ -d "${t%/*}" ] || mkdir -p -- "${t%/*}" || exit ;; esac
  if [ -d "$t" ] && [ ! -h "$t" ]; then echo "$t: Is a directory" >&2; exit 1; fi
  mv -f -- "$f" "$t" || exit
done' sh "$1" {} +
if [ "$list" ]; then
  cd -- "$1"
  xargs -0 rm -rf -- <"$2.gone"
  rm -f "$2.gone"
  find . -depth -mindepth 1 -type d -exec rmdir {} + 2>/dev/null || true
fi
sync -- "$1" 2>/dev/null || sync"""


def upload(machine: RemoteMachine, files: Mapping[str, File], folder: str, exact: bool) -> tuple[str, ...]:
    """Write files below a folder of a host and return the paths that were written; see ``Machine.upload``."""
    checked(files)
    target = absolute(machine, folder)
    if exact:
        refuse_precious(machine, target)
    held, others = _look(machine, files, target, exact)
    changed = sorted(p for p, f in files.items() if held.get(p) != (hashlib.sha256(f.data).hexdigest(), mode_of(f)))
    extra = sorted(others - set(files))
    if not changed and not extra:
        return ()
    result = machine.run_bytes(script(_TAKE, target, _STAGING, _REMOVED, stdin=_tar(files, changed, extra)))
    if result.exit_code == 127 and b"tar" in result.err:
        raise ToolMissing(f"tar is not installed on {machine.host.name}", hint="install it there")
    if result.exit_code:
        raise failure(machine, "write", target, result.err)
    return tuple(changed)


def _look(
    machine: RemoteMachine, files: Mapping[str, File], folder: str, exact: bool
) -> tuple[dict[str, tuple[str, int]], set[str]]:
    """Return digest and mode of the files that are there, and with ``exact`` the names of all that are."""
    names = b"".join(p.encode(errors="surrogateescape") + b"\0" for p in sorted(files))
    result = machine.run_bytes(script(_LOOK, folder, str(int(exact)), stdin=names))
    said, _, listed = result.out.partition(b"\0\0")
    modes: dict[str, int] = {}
    held: dict[str, tuple[str, int]] = {}
    for line in said.decode(errors="surrogateescape").splitlines():
        if line.startswith("F "):
            _, mode, name = line.split(" ", 2)
            if int(mode, 16) & 0o170000 == _REGULAR:
                modes[name] = int(mode, 16) & 0o7777
        else:
            digest, _, name = line.partition("  ")
            if name in modes:
                held[name] = (digest, modes[name])
    others = {n.decode(errors="surrogateescape").removeprefix("./") for n in listed.split(b"\0") if n}
    return held, others


def _tar(files: Mapping[str, File], changed: list[str], extra: list[str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT, errors="surrogateescape") as tar:
        for path in changed:
            _add(tar, path, files[path].data, mode_of(files[path]))
        if extra:
            _add(tar, _REMOVED, b"".join(p.encode(errors="surrogateescape") + b"\0" for p in extra), 0o600)
    return buffer.getvalue()


def _add(tar: tarfile.TarFile, path: str, data: bytes, mode: int) -> None:
    info = tarfile.TarInfo(path)
    info.size, info.mode = len(data), mode
    tar.addfile(info, io.BytesIO(data))
