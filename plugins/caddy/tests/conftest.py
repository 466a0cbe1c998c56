"""An environment with Caddy, and its image where nothing can be pulled."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from stagecraft_caddy.proxy import Caddy
from stagecraft_container_proxy.contract.apps import Loop
from stagecraft_container_proxy.contract.lab import Lab


@pytest.fixture(scope="session")
def image() -> str:
    """Return Caddy's image, made where the engine lacks it."""
    from tests.testbed import images

    images.ensure("caddy:2")
    return "caddy:2"


@pytest.fixture
def lab(image: str, tmp_path: Path) -> Iterator[Lab]:
    loop = Loop()
    lab = Lab(Caddy(), tmp_path, loop)
    yield lab
    lab.close()
    loop.close()


def caddy(*argv: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run Caddy's own command on files of a folder."""
    mount = ["-v", f"{folder}:/stagecraft:ro", "-e", "STAGECRAFT_STATUS=127.0.0.1:2019"]
    return subprocess.run(["docker", "run", "--rm", *mount, "caddy:2", "caddy", *argv], capture_output=True, text=True)
