"""Names that this runtime gives: the stack, labels, swarm objects, and where files lie on a host. All pure."""

from __future__ import annotations

import hashlib
import re

PREFIX = "io.stagecraft."
#: Labels on services and on their containers.
PROJECT = PREFIX + "project"
ENVIRONMENT = PREFIX + "environment"
SERVICE = PREFIX + "service"
IMAGE = PREFIX + "image"
RELEASE = PREFIX + "release"
FINGERPRINT = PREFIX + "fingerprint"
#: What ``docker stack`` itself labels everything of a stack with.
NAMESPACE = "com.docker.stack.namespace"

STACK_FILE = "stack.json"
#: Key of the stack file below which stands what only this runtime reads.
OWN = "x-stagecraft"


def stack(project: str, environment: str, override: str = "") -> str:
    """Return the stack's name: stable over releases, one per environment of a project."""
    cleaned = re.sub(r"[^a-z0-9]+", "-", f"{project}-{environment}".lower()).strip("-")
    return override or cleaned or "stagecraft"


def node_label(stack_name: str, service: str) -> str:
    """Return the label that lets a node run a service: ``stagecraft.shop-prod.api``; its value is ``true``."""
    return f"stagecraft.{stack_name}.{service}"


def object_name(stack_name: str, key: str, content: bytes) -> str:
    """Return the name of a config or a secret; it changes with the content, since a swarm's objects never change.

    Swarm allows 64 characters of letters, digits, dash, underscore and dot.
    """
    digest = hashlib.sha256(key.encode() + b"\0" + content).hexdigest()[:12]
    head = re.sub(r"[^A-Za-z0-9_.-]", "-", f"{stack_name}_{key}")
    return f"{head[:51].rstrip('-_.')}_{digest}"


def key_of(path: str) -> str:
    """Return the key, in the stack file, of the config that a file of the project becomes."""
    short = re.sub(r"[^A-Za-z0-9]+", "-", path).strip("-")[-24:]
    return f"file-{hashlib.sha256(path.encode()).hexdigest()[:8]}-{short}"


def service_name(stack_name: str, service: str) -> str:
    """Return a service's name in the swarm."""
    return f"{stack_name}_{service}"


def release_folder(home: str, release_id: str) -> str:
    """Return where a release's files lie on a host."""
    return f"{home}/releases/{release_id}"


def run_script(service: str) -> str:
    """Return the path, in a release's folder, of the script that runs a one-off container of a service."""
    return f"run/{service}.sh"
