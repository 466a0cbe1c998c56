"""Hold the runtime to the contract."""

from __future__ import annotations

import attrs
import pytest
from stagecraft_docker_rollout.config import Config
from stagecraft_docker_rollout.runtime import DockerRollout
from stagecraft_hookspecs.contract.runtime import RuntimeContract, RuntimeStepsContract
from stagecraft_hookspecs.runtime import Target

from .conftest import Lab, worker


class TestDockerRollout(RuntimeContract):
    @pytest.fixture
    def provider(self) -> DockerRollout:
        return DockerRollout(Config(project_name="shop", pre_stop_hook="touch /tmp/drain; sleep 10"))


@pytest.mark.needs("docker")
class TestSteps(RuntimeStepsContract):
    @pytest.fixture
    def provider(self, lab: Lab) -> DockerRollout:
        return DockerRollout(lab.config)

    @pytest.fixture
    def live(self, lab: Lab) -> tuple[object, object]:
        def make(release: str, previous: str) -> Target:
            target = lab.target(release, {"web": worker("1"), "worker": worker("1")})
            return attrs.evolve(target, previous_id=previous)

        return lab.context, make
