"""Build with the engine's classic builder, through the SDK: for engines whose docker command has no BuildKit."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stagecraft_hookspecs.errors import ToolMissing
from stagecraft_hookspecs.values import Build, Image

from stagecraft.images.engine import api, call
from stagecraft.images.failure import TAIL, Failure, build_error

if TYPE_CHECKING:
    from stagecraft_hookspecs.context import Context

_STEP = re.compile(r"^Step \d+/\d+ : (.*)")
_COLOUR = re.compile("\x1b\\[[0-9;]*m")
_BUILT = re.compile(r"sha256:[0-9a-f]{64}")


def build_classic(
    ctx: Context,
    build: Build,
    tag: str,
    context: str,
    dockerfile: str,
    *,
    no_cache: bool = False,
    on_line: Callable[[str], None] | None = None,
) -> Image:
    """Build an image; raises ToolMissing for what only BuildKit can do."""
    needed = [
        name for name, value in (("build secrets", build.secrets), ("several platforms", build.platforms[1:])) if value
    ]
    if needed:
        raise ToolMissing(
            f"the build of {build.service} uses {' and '.join(needed)}, which only BuildKit can",
            hint="install docker buildx",
        )
    arguments: dict[str, Any] = {
        "tag": tag,
        "rm": True,
        "forcerm": True,
        "decode": True,
        "nocache": no_cache or bool(build.options.get("no_cache")),
        "pull": bool(build.options.get("pull")),
        "buildargs": dict(build.args),
        "labels": dict(build.labels),
        "target": build.target,
        "platform": build.platforms[0] if build.platforms else None,
        "network_mode": build.options.get("network"),
        "extra_hosts": build.options.get("extra_hosts") or None,
        "cache_from": list(build.cache_from) or None,
    }
    with _dockerfile(build, dockerfile) as path:
        source = {"path": context, "dockerfile": path}
        events = call(f"build {tag}", tag, lambda: api(ctx).build(**source, **arguments))
        digest, failure = call(f"build {tag}", tag, lambda: read_events(events, on_line))
    if failure is not None or not digest:
        raise build_error(build.service, "", failure or Failure(reason="the engine did not say which image it made"))
    return Image(tag, digest)


def read_events(events: Iterable[Any], on_line: Callable[[str], None] | None = None) -> tuple[str, Failure | None]:
    """Return the image's id and, if the build failed, why; pure but for ``on_line``."""
    digest, step, tail = "", "", list[str]()
    for event in events:
        text = _COLOUR.sub("", str(event.get("stream") or event.get("status") or "")).rstrip()
        for line in text.splitlines():
            if on_line:
                on_line(line)
            found = _STEP.match(line)
            if found:
                step, tail = found[1], []
            elif line.strip() and not line.startswith(" ---"):
                tail.append(line)
        identity = (event.get("aux") or {}).get("ID", "")
        digest = identity if _BUILT.fullmatch(identity) else digest
        if "error" in event or "errorDetail" in event:
            reason = (event.get("errorDetail") or {}).get("message") or event.get("error") or "unknown"
            return "", Failure(step, 0, " ".join(str(reason).split()), tuple(tail[-TAIL:]))
    return digest, None


class _dockerfile:
    """Give the path of the Dockerfile; an inline one lies in a temporary file meanwhile."""

    def __init__(self, build: Build, path: str) -> None:
        self._inline = build.dockerfile_inline
        self._path = path
        self._file: Any = None

    def __enter__(self) -> str:
        if not self._inline:
            return self._path
        import tempfile

        self._file = tempfile.NamedTemporaryFile("w", prefix="stagecraft-", suffix=".Dockerfile")
        self._file.write(self._inline)
        self._file.flush()
        return str(Path(self._file.name))

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()
