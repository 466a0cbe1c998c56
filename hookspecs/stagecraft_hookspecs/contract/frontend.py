"""The contract suite of frontend providers."""

from __future__ import annotations

from typing import ClassVar

from stagecraft_hookspecs.contract.applications import ApplicationContract
from stagecraft_hookspecs.frontend import Frontend
from stagecraft_hookspecs.provider import Provider


class FrontendContract(ApplicationContract):
    """Prove a frontend. Override ``project`` and ``folder`` for other samples, ``recognised`` for what ``detect`` looks for."""

    kind: ClassVar[str] = "frontend"
    base: ClassVar[type[Provider]] = Frontend
