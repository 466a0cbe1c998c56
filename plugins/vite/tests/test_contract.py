"""Hold the frontend to the contract."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from stagecraft_hookspecs.contract.doubles import MemoryFolder
from stagecraft_hookspecs.contract.frontend import FrontendContract
from stagecraft_vite.config import BuildConfig, DevConfig, ViteConfig
from stagecraft_vite.frontend import Vite


class TestVite(FrontendContract):
    @pytest.fixture
    def provider(self) -> Vite:
        return Vite(
            ViteConfig(
                "web",
                DevConfig(
                    "./web", 4173, ("npm", "run", "dev", "--", "--port", "{port}"), {"API": "http://127.0.0.1:1"}
                ),
                BuildConfig("./web", server="caddy:2", args={"VITE_TITLE": "Shop"}),
            )
        )

    def folder(self) -> MemoryFolder:
        return MemoryFolder({"web/vite.config.ts": "export default {}", "web/package.json": "{}"})

    def recognised(self) -> Iterable[MemoryFolder]:
        for path in ("vite.config.js", "web/vite.config.mts", "packages/vite.config.ts"):
            yield MemoryFolder({path: "export default {}"})


class TestByDefault(FrontendContract):
    @pytest.fixture
    def provider(self) -> Vite:
        return Vite()
