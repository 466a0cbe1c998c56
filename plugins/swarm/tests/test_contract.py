"""Hold the runtime to the contract."""

from __future__ import annotations

import attrs
import pytest
from stagecraft_hookspecs.contract.runtime import RuntimeContract, RuntimeStepsContract
from stagecraft_hookspecs.runtime import Target
from stagecraft_swarm.config import Config
from stagecraft_swarm.runtime import Swarm

from .lab import Lab, worker


class TestSwarm(RuntimeContract):
    @pytest.fixture
    def provider(self) -> Swarm:
        return Swarm(Config(stack_name="shop"))


@pytest.mark.needs("hosts")
@pytest.mark.timeout(300)
class TestSteps(RuntimeStepsContract):
    @pytest.fixture
    def provider(self) -> Swarm:
        return Swarm()

    @pytest.fixture
    def live(self, lab: Lab) -> tuple[object, object]:
        def make(release: str, previous: str) -> Target:
            target = lab.target(release, {"web": worker("1"), "worker": worker("1")})
            return attrs.evolve(target, previous_id=previous)

        return lab.context, make
