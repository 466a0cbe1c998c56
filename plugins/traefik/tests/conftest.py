"""Images for the tests: Caddy's, which is the certificate authority, and the stand-in for Traefik."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

STAND_IN = "stagecraft-test/traefik-stand-in:1"
DOCKERFILE = b"FROM python:3.11-slim\nCOPY stand_in.py /usr/local/bin/traefik\nRUN chmod 755 /usr/local/bin/traefik\n"


@pytest.fixture(scope="session")
def stand_in() -> str:
    """Return the image with the program that plays Traefik's file provider and API."""
    import docker

    from tests.testbed import images

    images.ensure("python:3.11-slim")
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as tar:
        for name, data in (
            ("Dockerfile", DOCKERFILE),
            ("stand_in.py", (Path(__file__).parent / "stand_in.py").read_bytes()),
        ):
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    context.seek(0)
    docker.from_env().images.build(fileobj=context, custom_context=True, tag=STAND_IN, rm=True)
    return STAND_IN
