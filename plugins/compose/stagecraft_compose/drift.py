"""Tell which of a release's files on a host are not as they were shipped."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from stagecraft_hookspecs.values import Command

from stagecraft_compose import bundle, naming

if TYPE_CHECKING:
    from stagecraft_hookspecs.context import Context
    from stagecraft_hookspecs.runtime import Target

#: Print the digests of files, each before its path; of a missing one nothing. Arguments: the folder, then paths.
SCRIPT = """\
cd -- "$1" 2>/dev/null || exit 0
shift
for path in "$@"; do [ ! -f "$path" ] || sha256sum -- "$path" || exit 1; done
"""


def changed(ctx: Context, target: Target) -> tuple[str, ...]:
    """Return the paths of missing and changed files, sorted; one command, and no file's content comes over."""
    if not target.files:
        return ()
    wanted = {path: hashlib.sha256(file.data).hexdigest() for path, file in bundle.filled(ctx, target.files).items()}
    folder = naming.release_folder(ctx.home(target.host), target.deployment.release_id)
    argv = ("sh", "-c", SCRIPT, "changed", folder, *sorted(wanted))
    printed = ctx.machine(target.host).run(Command(argv, cwd="/", timeout=60)).stdout
    # a name with a backslash or a newline is printed behind a backslash, escaped; no rendered file has one
    found = {path: digest for digest, _, path in (line.partition("  ") for line in printed.splitlines())}
    return tuple(path for path, digest in sorted(wanted.items()) if found.get(path) != digest)
