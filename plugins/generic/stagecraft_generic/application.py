"""What the generic backend and the generic frontend have in common: any dev command, any Dockerfile."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
from stagecraft_hookspecs.errors import UserError
from stagecraft_hookspecs.values import Build, Command, Process, Project, Ready


@attrs.frozen
class DevConfig:
    """Say how the application is developed."""

    command: tuple[str, ...] = attrs.field(metadata={"help": "the development command, as a list of words"})
    workdir: str = attrs.field(default=".", metadata={"help": "where it runs, relative to the project"})
    env: Mapping[str, str] = attrs.field(factory=dict, metadata={"help": "added to its environment"})
    port: int = attrs.field(default=0, metadata={"help": "ready when this port accepts; default: PORT of `env`"})
    url: str = attrs.field(default="", metadata={"help": "ready when this URL answers below 500"})
    line: str = attrs.field(
        default="", metadata={"help": "ready when a line of its output matches this regular expression"}
    )
    timeout: float = attrs.field(default=60.0, metadata={"help": "seconds until it must be ready"})
    watch: tuple[str, ...] = attrs.field(
        default=(), metadata={"help": "restart when files that match these globs change"}
    )


@attrs.frozen
class BuildConfig:
    """Say how the image is built, in place of the compose file's `build`."""

    context: str = attrs.field(default=".", metadata={"help": "folder relative to the project"})
    dockerfile: str = attrs.field(default="Dockerfile", metadata={"help": "path relative to the context"})
    target: str = attrs.field(default="", metadata={"help": "build stage"})
    args: Mapping[str, str] = attrs.field(factory=dict, metadata={"help": "build arguments; not for secrets"})


@attrs.frozen
class GenericConfig:
    """Configure a generic application."""

    service: str = attrs.field(default="", metadata={"help": "the compose service that it is"})
    dev: DevConfig | None = attrs.field(default=None, metadata={"help": "how it is developed"})
    build: BuildConfig | None = attrs.field(
        default=None, metadata={"help": "how it is built; default: the compose file's"}
    )


def service_of(config: GenericConfig, project: Project, usual: tuple[str, ...]) -> str:
    """Return the configured service, else the first of the usual names that exists, else the only one that is built."""
    if config.service:
        return config.service
    for name in usual:
        if name in project.services:
            return name
    built = [name for name, definition in sorted(project.services.items()) if definition.get("build")]
    return built[0] if len(built) == 1 else ""


def processes(config: GenericConfig, name: str) -> tuple[Process, ...]:
    """Return the dev command as a process, or nothing when there is none."""
    dev = config.dev
    if dev is None:
        return ()
    if not dev.command:
        raise UserError(
            f"the {name}'s dev command is empty", hint="give it as a list of words: `command: [npm, run, dev]`"
        )
    port = dev.port or (int(dev.env["PORT"]) if dev.env.get("PORT", "").isdigit() else 0)
    # a URL or a line says more than a port does
    ready = Ready(0 if dev.url or dev.line else port, dev.url, dev.line, dev.timeout)
    return (Process(name, Command(dev.command, cwd=dev.workdir, env=dict(dev.env)), ready, watch=dev.watch),)


def build_of(config: GenericConfig, service: str) -> Build | None:
    """Return the configured build; None leaves it to the compose file's own ``build``."""
    build = config.build
    if build is None or not service:
        return None
    return Build(service, build.context, build.dockerfile, target=build.target, args=dict(sorted(build.args.items())))
