"""Hold the secrets provider to the contract."""

from __future__ import annotations

from pathlib import Path

import pytest
from stagecraft_envfile.secrets import EnvFile, EnvFileConfig
from stagecraft_hookspecs.contract.calls import CANARY
from stagecraft_hookspecs.contract.doubles import FakeContext, FakeMachine, MemoryFolder
from stagecraft_hookspecs.contract.secrets import SecretsContract, SecretsStoreContract


class TestEnvFile(SecretsContract, SecretsStoreContract):
    @pytest.fixture
    def provider(self) -> EnvFile:
        return EnvFile(EnvFileConfig((".env", ".env.prod")))

    def folder(self) -> MemoryFolder:
        return MemoryFolder({".env": f"API_KEY={CANARY}\nEMPTY\n", ".env.prod": f'DATABASE_URL="{CANARY}"\n'})

    def context(self, root: Path, machine: FakeMachine) -> FakeContext:
        """Give the machine the files that the folder has: this provider reads them through it."""
        for path, data in self.folder().files.items():
            machine.files[str(root / path)] = data
            machine.modes[str(root / path)] = 0o600
        return FakeContext(root, machine=machine)


class TestWithoutFiles(SecretsContract, SecretsStoreContract):
    @pytest.fixture
    def provider(self) -> EnvFile:
        return EnvFile(EnvFileConfig(("secrets/prod.env",)))


class TestByDefault(SecretsContract):
    @pytest.fixture
    def provider(self) -> EnvFile:
        return EnvFile()
