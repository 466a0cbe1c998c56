"""Take image names apart. Pure. Source: the grammar of the distribution project's reference package."""

from __future__ import annotations

from collections.abc import Iterable


def repository(name: str) -> str:
    """Return an image's name without tag and digest."""
    bare = name.partition("@")[0]
    head, slash, last = bare.rpartition("/")
    return f"{head}{slash}{last.partition(':')[0]}"


def tag(name: str) -> str:
    """Return the tag, ``latest`` without one."""
    return name.partition("@")[0].rpartition("/")[2].partition(":")[2] or "latest"


def registry(name: str) -> str:
    """Return the registry's host, and port if there is one; empty for the engine's default one.

    The part before the first slash is a host when it has a dot or a colon, or is ``localhost``.
    """
    first, slash, _ = name.partition("/")
    return first if slash and ("." in first or ":" in first or first == "localhost") else ""


def content_tag(digest: str) -> str:
    """Return a tag made from a digest: it names one image for ever."""
    return digest.removeprefix("sha256:")[:12]


def digest_in(repo_digests: Iterable[str], name: str) -> str:
    """Return the digest by which the registry of ``name`` knows an image, or an empty string.

    Args:
        repo_digests: The engine's ``RepoDigests``: ``postgres@sha256:…``.
    """
    wanted = _full(repository(name))
    found = sorted(d.partition("@")[2] for d in repo_digests if _full(d.partition("@")[0]) == wanted)
    return found[0] if found else ""


def is_known_as(repo_digests: Iterable[str], name: str, digest: str) -> bool:
    """Tell whether the engine has an image under a digest of the registry of ``name``."""
    wanted = _full(repository(name)), digest
    return any((_full(known.partition("@")[0]), known.partition("@")[2]) == wanted for known in repo_digests)


def _full(repository_name: str) -> str:
    """Return the name with the default registry and its library written out, so that short and long forms compare."""
    if registry(repository_name) not in ("", "docker.io", "index.docker.io"):
        return repository_name
    path = repository_name.removeprefix("index.").removeprefix("docker.io/")
    return path if "/" in path else f"library/{path}"
