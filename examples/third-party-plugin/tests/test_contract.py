"""The plugin keeps to the contract. Needs `stagecraft-hookspecs[contract]` and nothing of Stagecraft itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from stagecraft_hookspecs.contract.calls import CANARY
from stagecraft_hookspecs.contract.commands import CommandsContract
from stagecraft_hookspecs.contract.doubles import FakeContext, FakeMachine, FakeSession, MemoryFolder
from stagecraft_hookspecs.contract.phases import PhasesContract
from stagecraft_hookspecs.contract.secrets import SecretsContract, SecretsStoreContract
from stagecraft_hookspecs.errors import NotFound, ProviderError, UserError
from stagecraft_hookspecs.secrets import SecretFacts
from stagecraft_hookspecs.values import Secret
from stagecraft_lighthouse import deploys
from stagecraft_lighthouse.sealed import Sealed, SealedConfig, seal, unseal

KEY = b"k" * 32


class TestSealed(SecretsContract, SecretsStoreContract):
    @pytest.fixture
    def provider(self) -> Sealed:
        return Sealed(SealedConfig("prod.sealed.json", "prod.key"))

    def folder(self) -> MemoryFolder:
        return MemoryFolder({"prod.sealed.json": f'{{"API_KEY": "{seal(KEY, "API_KEY", CANARY)}"}}', "prod.key": KEY})

    def context(self, root: Path, machine: FakeMachine) -> FakeContext:
        for path, data in self.folder().files.items():
            machine.files[str(root / path)] = data
            machine.modes[str(root / path)] = 0o600
        return FakeContext(root, machine=machine)


class TestDeploys(PhasesContract):
    @pytest.fixture
    def plugin(self) -> Any:
        return deploys


class TestCommands(CommandsContract):
    @pytest.fixture
    def plugin(self) -> Any:
        return deploys


def test_a_sealed_value_is_opened_by_its_key_under_its_name_only() -> None:
    sealed = seal(KEY, "TOKEN", "value ü")
    assert unseal(KEY, "TOKEN", sealed) == "value ü"
    assert seal(KEY, "TOKEN", "value ü") != sealed, "equal values do not look equal"
    changed = sealed[:-1] + ("0" if sealed[-1] != "0" else "1")
    for key, name, text in (
        (b"x" * 32, "TOKEN", sealed),
        (KEY, "OTHER", sealed),
        (KEY, "TOKEN", changed),
        (KEY, "T", "no"),
    ):
        with pytest.raises(ProviderError, match="cannot be unsealed"):
            unseal(key, name, text)


def test_without_the_key_the_next_step_is_told() -> None:
    machine = FakeMachine(files={"/p/secrets.sealed.json": b'{"A": "00"}'})
    with pytest.raises(UserError, match=r"the key \.stagecraft/sealed\.key is not there"):
        Sealed().fetch(FakeContext(Path("/p"), machine=machine), ("A",))


def test_a_new_key_is_its_owners_alone() -> None:
    ctx = FakeContext(Path("/p"))
    (change,) = Sealed().plan(("A",), SecretFacts())
    Sealed().apply(ctx, change, Secret("A", "hunter2"))
    assert ctx.machine().modes["/p/.stagecraft/sealed.key"] == 0o600
    assert b"hunter2" not in ctx.machine().files["/p/secrets.sealed.json"]


def test_the_command_shows_the_end_of_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    session = FakeSession()
    with pytest.raises(NotFound):
        deploys.show({"limit": 0}, session)
    (tmp_path / deploys.FOLDER).mkdir(parents=True)
    (tmp_path / deploys.FOLDER / "log.txt").write_text("one\ntwo\nthree\n")
    assert deploys.show({"limit": 2}, session) == 0
    assert session.said == ["two\nthree"]
