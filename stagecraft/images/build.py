"""Build an image: with BuildKit where the docker command has it, else with the engine's classic builder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from stagecraft_hookspecs.errors import ProviderError, ToolMissing, UserError
from stagecraft_hookspecs.values import Build, Image, Result

from stagecraft.images.buildx import buildx_command
from stagecraft.images.failure import build_error, read_failure

if TYPE_CHECKING:
    from stagecraft_hookspecs.context import Context

_REMOTE = ("https://", "http://", "git://", "ssh://", "git@", "github.com/")


def build_image(
    ctx: Context,
    build: Build,
    tag: str,
    *,
    root: Path,
    no_cache: bool = False,
    on_line: Callable[[str], None] | None = None,
) -> Image:
    """Build an image on this machine and return it with its id as the digest.

    Args:
        tag: The name it gets; it moves with every build.
        root: The project's folder, which the context must not leave.
        on_line: Told each line of the build's output.

    Raises:
        UserError: The context or the Dockerfile is not there, or lies outside the project.
        ProviderError: The build failed; ``detail`` is the tail of the failing step, ``where`` the Dockerfile's line.
    """
    import tempfile

    context, dockerfile = locate(build, root)
    _refuse_references(build)
    secrets = {identity: ctx.secret(name) for identity, name in sorted(build.secrets.items())}
    machine = ctx.machine()
    with tempfile.TemporaryDirectory(prefix="stagecraft-build-") as folder:
        id_file = Path(folder) / "id"
        command = buildx_command(build, tag, context, dockerfile, str(id_file), no_cache=no_cache, secrets=secrets)
        try:
            result = machine.run(command, check=False, on_line=on_line)
        except ToolMissing:
            result = None
        if result is None or _lacks_buildx(result):
            from stagecraft.images.classic import build_classic

            return build_classic(ctx, build, tag, context, dockerfile, no_cache=no_cache, on_line=on_line)
        if not result.ok:
            shown = _shown(dockerfile, root)
            raise build_error(build.service, shown, read_failure(f"{result.stdout}\n{result.stderr}"))
        digest = id_file.read_text().strip() if id_file.exists() else ""
    if not digest.startswith("sha256:"):
        raise ProviderError(
            f"the build of {build.service} did not say which image it made", hint="update docker buildx"
        )
    return Image(tag, _loaded(ctx, tag, digest))


def locate(build: Build, root: Path) -> tuple[str, str]:
    """Return the absolute context and Dockerfile; the Dockerfile is empty where it is inline or in a remote context."""
    if build.context.startswith(_REMOTE) or "://" in build.context:
        return build.context, ""
    base = root.resolve()
    context = (base / build.context).resolve()
    if not context.is_relative_to(base):
        raise UserError(
            f"the build context of {build.service} ({build.context}) lies outside the project",
            hint="put stagecraft.yml in the folder that holds all contexts, or pass the folder by `additional_contexts`",
        )
    if not context.is_dir():
        raise UserError(
            f"the build context of {build.service} ({build.context}) is not a folder", hint="correct `context`"
        )
    if build.dockerfile_inline:
        return str(context), ""
    dockerfile = (context / build.dockerfile).resolve()
    if not dockerfile.is_relative_to(base):
        raise UserError(
            f"the Dockerfile of {build.service} ({build.dockerfile}) lies outside the project",
            hint="copy it into the project",
        )
    if not dockerfile.is_file():
        shown = _shown(str(dockerfile), root)
        raise UserError(
            f"{build.service} has no Dockerfile at {shown}", hint="write one, or correct `build.dockerfile`"
        )
    return str(context), str(dockerfile)


def _shown(path: str, root: Path) -> str:
    base = root.resolve()
    return Path(path).relative_to(base).as_posix() if path and Path(path).is_relative_to(base) else path


def _refuse_references(build: Build) -> None:
    """Refuse secrets where they would stay in the image's history."""
    for kind, values in (("argument", build.args), ("label", build.labels)):
        for name, value in sorted(values.items()):
            if "<secret:" in str(value):
                raise UserError(
                    f"build {kind} {name} of {build.service} is a secret, and would stay in the image's history",
                    hint=f"mount it: `build.secrets: [{name}]`, and `RUN --mount=type=secret,id={name}` in the Dockerfile",
                )


def _lacks_buildx(result: Result) -> bool:
    text = result.stderr
    lacking = (
        "is not a docker command",
        "unknown command: docker buildx",
        "unknown flag: --load",
        "unknown flag: --progress",
    )
    return not result.ok and any(words in text for words in lacking)


def _loaded(ctx: Context, tag: str, digest: str) -> str:
    """Return the id under which the engine has the image: a builder outside the engine knows it by another one."""
    from stagecraft.images.engine import inspect

    for name in (digest, tag):
        found = inspect(ctx, name)
        if found is not None:
            return str(found["Id"])
    raise ProviderError(f"the image {tag} was built, and the engine does not have it", hint="docker buildx use default")
