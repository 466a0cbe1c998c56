"""Names that this runtime gives: the compose project, labels, image tags, and where files lie on a host. All pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from stagecraft_hookspecs.values import LOCAL, Host

PREFIX = "io.stagecraft."
#: Labels on every container; values of the last three come from the release's ``.env`` when the container is created.
PROJECT = PREFIX + "project"
ENVIRONMENT = PREFIX + "environment"
IMAGE = PREFIX + "image"
CONTAINER_NAME = PREFIX + "container-name"
RESTART = PREFIX + "restart"
RELEASE = PREFIX + "release"
FINGERPRINT = PREFIX + "fingerprint"
#: On networks and volumes: a hash of how the compose file defines them.
DEFINITION = PREFIX + "definition"

#: What Docker Compose itself labels.
COMPOSE_PROJECT = "com.docker.compose.project"
COMPOSE_SERVICE = "com.docker.compose.service"
COMPOSE_NUMBER = "com.docker.compose.container-number"
COMPOSE_ONEOFF = "com.docker.compose.oneoff"

COMPOSE_FILE = "compose.json"
#: What one-off commands run with: the same, with what exists on the host declared external.
HOST_FILE = "host.json"
#: What containers are created with: the services that lack some.
CREATE_FILE = "create.json"
SERVICES_FILE = "services.json"


def is_local(host: Host) -> bool:
    """Tell whether a host is this machine; one of that name with an address is another."""
    return host.name == LOCAL.name and not host.address


def compose_project(project: str, environment: str, override: str = "") -> str:
    """Return the compose project's name: stable over releases, one per environment.

    Two environments of a project can share an engine, so the environment is part of it. Docker Compose allows
    lower-case letters, digits, dashes and underscores, and wants a letter or digit first.
    """
    return override or slug(f"{project}-{environment}")


def slug(text: str) -> str:
    """Return ``text`` in the characters that compose projects and image repositories both allow."""
    cleaned = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    return cleaned or "stagecraft"


def image_tag(compose_name: str, service: str, digest: str) -> str:
    """Return the tag under which an environment keeps an image: ``shop-prod/api:0d98f845f077``.

    The tag is made from the digest, so it can never be moved to another image. It keeps an image that was pulled by
    digest (and so has no tag of its own) from ``docker image prune``, and it says what a release owns when old ones
    are pruned.
    """
    return f"{slug(compose_name)}/{slug(service)}:{digest.removeprefix('sha256:')[:12]}"


def variable(kind: str, service: str = "") -> str:
    """Return the interpolation variable that carries a value known only on the host; injective over service names."""
    encoded = re.sub(r"[^A-Za-z0-9]", lambda m: f"_{ord(m[0]):02x}_", service)
    return f"STAGECRAFT_{kind}" + (f"_{encoded}" if encoded else "")


def placeholder(kind: str, service: str = "") -> str:
    """Return how the rendered compose file refers to such a variable; empty where it is not set."""
    return "${" + variable(kind, service) + ":-}"


def release_folder(home: str, release_id: str) -> str:
    """Return where a release's files lie on a host."""
    return f"{home}/releases/{release_id}"


def current_file(home: str) -> str:
    """Return the file that names the release which serves."""
    return f"{home}/current"


def stopping_file(home: str) -> str:
    """Return the file that names the containers whose stop was begun by a switch."""
    return f"{home}/stopping"


def version_file(home: str) -> str:
    """Return the file that remembers which version of Docker Compose was found."""
    return f"{home}/compose-version"


def lock_file(home: str) -> str:
    """Return the file whose lock keeps two compose processes from working on one project."""
    return f"{home}/compose.lock"


def escape(value: Any) -> Any:
    """Return a value with every ``$`` doubled, so that compose's interpolation gives it back."""
    if isinstance(value, str):
        return value.replace("$", "$$")
    if isinstance(value, Mapping):
        return {str(k): escape(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [escape(v) for v in value]
    return value


def label_map(raw: Any) -> dict[str, str]:
    """Return labels as a mapping; the list of ``name=value`` is read too."""
    pairs = raw.items() if isinstance(raw, Mapping) else (str(x).partition("=")[::2] for x in raw or ())
    return {str(k): "" if v is None else str(v) for k, v in pairs}
