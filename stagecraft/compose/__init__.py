"""Read compose files without Docker; `load` gives what `docker compose config --format json` would print."""

from stagecraft.compose.loader import load
from stagecraft.compose.model import ComposeProject, Service

__all__ = [
    "ComposeProject",
    "Service",
    "load",
]
