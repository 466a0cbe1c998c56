"""Hold the runtime to the contract."""

from __future__ import annotations

import attrs
import pytest
from stagecraft_compose.config import Config
from stagecraft_compose.runtime import Compose
from stagecraft_hookspecs.contract.runtime import RuntimeContract, RuntimeStepsContract
from stagecraft_hookspecs.runtime import Target

from .conftest import Lab, driver, page


class TestCompose(RuntimeContract):
    @pytest.fixture
    def provider(self) -> Compose:
        return Compose(Config(project_name="shop"))


@pytest.mark.needs("docker")
class TestSteps(RuntimeStepsContract):
    @pytest.fixture
    def provider(self) -> Compose:
        return Compose()

    @pytest.fixture
    def live(self, lab: Lab) -> tuple[object, object]:
        def make(release: str, previous: str) -> Target:
            services = {"web": page("v1", lab.port), "worker": page("v1")}
            target: Target = driver.target_of(lab.spec(release, services), lab.folder)
            return attrs.evolve(target, previous_id=previous)

        return driver.LocalContext(lab.root, lab.project, "prod"), make
