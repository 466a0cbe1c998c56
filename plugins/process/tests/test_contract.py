"""Hold the runtime to the contract."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import pytest
from stagecraft_hookspecs.contract.calls import Call
from stagecraft_hookspecs.contract.doubles import FakeContext
from stagecraft_hookspecs.contract.runtime import RuntimeContract, RuntimeStepsContract
from stagecraft_hookspecs.runtime import Target

from stagecraft_process.runtime import Process, ProcessConfig


class TestProcess(RuntimeContract):
    @pytest.fixture
    def provider(self) -> Process:
        return Process(ProcessConfig(start_timeout=5.0))

    def effects(self, ctx: FakeContext) -> tuple[Call, ...]:
        """Leave the steps out that start a supervisor: they act on this machine and not through the context's."""
        return tuple(call for call in super().effects(ctx) if call.method in ("ship", "observe"))


class TestSteps(RuntimeStepsContract):
    @pytest.fixture
    def provider(self) -> Process:
        return Process(ProcessConfig(start_timeout=10.0))

    @pytest.fixture
    def live(self, project: Any, port: int, published: Callable[..., Any]) -> tuple[Any, Any]:
        project.app("one")
        project.service("api", ports=published(port))

        def make(release: str, previous: str) -> Target:
            target: Target = project.build()
            deployment = attrs.evolve(target.deployment, release_id=release)
            return attrs.evolve(target, deployment=deployment, previous_id=previous)

        return project.ctx, make
