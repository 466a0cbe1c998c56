"""The keys of the block ``frontend: {provider: vite, …}``."""

from __future__ import annotations

from collections.abc import Mapping

import attrs


@attrs.frozen
class DevConfig:
    """Say how the page is developed."""

    workdir: str = attrs.field(default="", metadata={"help": "the page's folder; default: where the Vite config lies"})
    port: int = attrs.field(default=5173, metadata={"help": "port of the development server, on 127.0.0.1"})
    command: tuple[str, ...] = attrs.field(
        default=(), metadata={"help": "instead of `npx vite`; `{port}` in it becomes the port"}
    )
    env: Mapping[str, str] = attrs.field(factory=dict, metadata={"help": "added to its environment"})
    timeout: float = attrs.field(default=60.0, metadata={"help": "seconds until the port must accept"})


@attrs.frozen
class BuildConfig:
    """Say how the image is built when the page's folder has no Dockerfile."""

    context: str = attrs.field(default="", metadata={"help": "the page's folder; default: `dev.workdir`"})
    dockerfile: str = attrs.field(
        default="",
        metadata={"help": "a Dockerfile of your own, relative to the context; default: `Dockerfile` if it is there"},
    )
    script: str = attrs.field(default="build", metadata={"help": "script of package.json that builds the files"})
    output: str = attrs.field(
        default="dist", metadata={"help": "folder that the script writes, relative to the context"}
    )
    builder: str = attrs.field(default="node:22-slim", metadata={"help": "image in which the files are built"})
    server: str = attrs.field(
        default="nginx:alpine", metadata={"help": "image that serves the files: one of nginx or of Caddy, by its name"}
    )
    port: int = attrs.field(default=80, metadata={"help": "port on which the image serves"})
    fallback: bool = attrs.field(
        default=True,
        metadata={"help": "answer unknown paths with index.html, as pages with routes of their own need it"},
    )
    args: Mapping[str, str] = attrs.field(
        factory=dict, metadata={"help": "build arguments, in the script's environment; not for secrets"}
    )


@attrs.frozen
class ViteConfig:
    """Configure the frontend ``vite``."""

    service: str = attrs.field(default="", metadata={"help": "the compose service that serves the page"})
    dev: DevConfig = attrs.field(factory=DevConfig, metadata={"help": "how the page is developed"})
    build: BuildConfig = attrs.field(factory=BuildConfig, metadata={"help": "how the image is built"})
