"""The contract suite of backend providers."""

from __future__ import annotations

from typing import ClassVar

from stagecraft_hookspecs.backend import Backend
from stagecraft_hookspecs.contract.applications import ApplicationContract
from stagecraft_hookspecs.provider import Provider


class BackendContract(ApplicationContract):
    """Prove a backend. Override ``project`` and ``folder`` for other samples, ``recognised`` for what ``detect`` looks for."""

    kind: ClassVar[str] = "backend"
    base: ClassVar[type[Provider]] = Backend
