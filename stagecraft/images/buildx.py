"""Build the command line of a BuildKit build. Pure; tested as argv lists."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from stagecraft_hookspecs.values import Build, Command, Secret

#: Without attestations the same content gives the same digest on every engine, and a cached build changes nothing.
_ENVIRONMENT = {"BUILDX_NO_DEFAULT_ATTESTATIONS": "1", "BUILDX_METADATA_PROVENANCE": "disabled"}


def buildx_command(
    build: Build,
    tag: str,
    context: str,
    dockerfile: str,
    id_file: str,
    *,
    no_cache: bool,
    secrets: Mapping[str, Secret],
) -> Command:
    """Return the command that builds into the engine's own store and writes the image's id to ``id_file``.

    Args:
        context: Absolute folder, or a remote context as it is.
        dockerfile: Absolute path; empty for the one inside a remote context. An inline one goes by standard input.
        secrets: Build secret id to value; they travel in the environment, mounted by BuildKit and stored nowhere.
    """
    variables = {identity: f"STAGECRAFT_BUILD_SECRET_{n}" for n, identity in enumerate(sorted(secrets))}
    flags: list[str] = ["--load", "--progress", "plain", "--iidfile", id_file, "--tag", tag]
    if build.dockerfile_inline:
        flags += ["--file", "-"]
    elif dockerfile:
        flags += ["--file", dockerfile]
    if build.target:
        flags += ["--target", build.target]
    flags += _each("--build-arg", (f"{k}={v}" for k, v in sorted(build.args.items())))
    flags += _each("--label", (f"{k}={v}" for k, v in sorted(build.labels.items())))
    flags += ["--platform", ",".join(build.platforms)] if build.platforms else []
    flags += _each("--cache-from", build.cache_from)
    flags += _each("--secret", (f"id={identity},env={variables[identity]}" for identity in sorted(secrets)))
    flags += _options(build.options, no_cache)
    env: dict[str, str | Secret] = {**_ENVIRONMENT, **{variables[i]: secrets[i] for i in sorted(secrets)}}
    stdin = build.dockerfile_inline.encode() if build.dockerfile_inline else None
    return Command(("docker", "buildx", "build", *flags, "--", context), env=env, stdin=stdin)


def _options(options: Mapping[str, Any], no_cache: bool) -> Iterator[str]:
    """Yield flags for the further keys of the compose file's ``build``; keys that BuildKit has no word for are left out."""
    if no_cache or options.get("no_cache"):
        yield "--no-cache"
    if options.get("pull"):
        yield "--pull"
    if options.get("network"):
        yield from ("--network", str(options["network"]))
    if options.get("shm_size"):
        yield from ("--shm-size", str(options["shm_size"]))
    yield from _each("--add-host", _pairs(options.get("extra_hosts"), ":"))
    yield from _each("--build-context", _pairs(options.get("additional_contexts"), "="))
    yield from _each("--ssh", (p.removesuffix("=") for p in _pairs(options.get("ssh"), "=")))
    yield from _each("--cache-to", options.get("cache_to") or ())
    yield from _each("--allow", options.get("entitlements") or ())
    yield from _each("--tag", options.get("tags") or ())
    for name, limit in sorted((options.get("ulimits") or {}).items()):
        value = f"{limit['soft']}:{limit['hard']}" if isinstance(limit, Mapping) else str(limit)
        yield from ("--ulimit", f"{name}={value}")


def _pairs(value: Any, separator: str) -> list[str]:
    """Return a mapping or a list of ``name=value`` as a sorted list; a name may have several values."""
    if not isinstance(value, Mapping):
        return [str(v) for v in value or ()]
    found = []
    for name, entry in sorted(value.items()):
        entries = entry if isinstance(entry, (list, tuple)) else [entry]
        found += [f"{name}{separator}{e if e is not None else ''}" for e in entries]
    return found


def _each(flag: str, values: Iterable[Any]) -> list[str]:
    return [part for value in values for part in (flag, str(value))]
