"""Hold the generic backend and frontend to the contract."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from stagecraft_generic.application import BuildConfig, DevConfig, GenericConfig
from stagecraft_generic.providers import GenericBackend, GenericFrontend
from stagecraft_hookspecs.contract.backend import BackendContract
from stagecraft_hookspecs.contract.doubles import MemoryFolder
from stagecraft_hookspecs.contract.frontend import FrontendContract

CONFIG = GenericConfig(
    dev=DevConfig(("npm", "run", "dev"), "./api", {"PORT": "4000"}, watch=("api/**/*.js",)),
    build=BuildConfig("./api", "Dockerfile", "release", {"LEVEL": "1"}),
)
PACKAGE = '{"scripts": {"dev": "node --watch server.js"}}'


class TestBackend(BackendContract):
    @pytest.fixture
    def provider(self) -> GenericBackend:
        return GenericBackend(CONFIG)

    def recognised(self) -> Iterable[MemoryFolder]:
        return (MemoryFolder({"api/package.json": PACKAGE}), MemoryFolder({"server/Dockerfile": "FROM scratch"}))


class TestBackendWithoutConfiguration(BackendContract):
    @pytest.fixture
    def provider(self) -> GenericBackend:
        return GenericBackend()


class TestFrontend(FrontendContract):
    @pytest.fixture
    def provider(self) -> GenericFrontend:
        return GenericFrontend(CONFIG)

    def recognised(self) -> Iterable[MemoryFolder]:
        return (MemoryFolder({"web/package.json": PACKAGE}), MemoryFolder({"ui/Dockerfile": "FROM scratch"}))
