"""What a release is called: the commit, unless somebody names it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagecraft_hookspecs.errors import ToolMissing
from stagecraft_hookspecs.values import Command

if TYPE_CHECKING:
    from stagecraft_hookspecs.context import Context

UNKNOWN = "unknown"
_SHORT = 12
#: Without optional locks, since looking must not rewrite the repository's index.
_STATUS = ("git", "--no-optional-locks", "status", "--porcelain", "--", ".")


def current_version(ctx: Context, given: str = "") -> tuple[str, str]:
    """Return the version and the commit.

    The commit is that of the project's folder, ``-dirty`` appended when files of it differ; empty where there is no repository. The
    version is ``given``, else the commit's first characters, else ``unknown``.
    """
    commit = _commit(ctx)
    if given:
        return given, commit
    if not commit:
        return UNKNOWN, ""
    name, dash, dirty = commit.partition("-")
    return name[:_SHORT] + dash + dirty, commit


def _commit(ctx: Context) -> str:
    machine = ctx.machine()
    try:
        head = machine.run(Command(("git", "rev-parse", "HEAD"), timeout=10), check=False)
        if not head.ok:
            return ""
        status = machine.run(Command(_STATUS, timeout=30), check=False)
    except ToolMissing:
        return ""
    return head.stdout.strip() + ("-dirty" if status.stdout.strip() else "")
