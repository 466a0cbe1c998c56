"""What env files say, and how one line of them is changed."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stagecraft_envfile.files import edited, inside, pairs
from stagecraft_envfile.secrets import EnvFile, EnvFileConfig
from stagecraft_hookspecs.contract.doubles import FakeContext, FakeMachine, MemoryFolder
from stagecraft_hookspecs.errors import UserError
from stagecraft_hookspecs.secrets import SecretFacts
from stagecraft_hookspecs.values import Project, Secret

FILE = b"""# what the shop needs
export API_KEY=abc   # a comment
QUOTED="two words"
SINGLE='$not $interpolated'
NOTHING
MANY='one
two'
"""


def test_reads_what_dotenv_reads() -> None:
    assert dict(pairs(FILE, ".env")) == {
        "API_KEY": "abc",
        "QUOTED": "two words",
        "SINGLE": "$not $interpolated",
        "MANY": "one\ntwo",
    }


def test_reads_windows_files() -> None:
    assert dict(pairs(b"\xef\xbb\xbfA=1\r\nB=2\r\n", ".env")) == {"A": "1", "B": "2"}


def test_other_encodings_are_named() -> None:
    with pytest.raises(UserError, match=r"\.env is not UTF-8 at byte 2") as error:
        list(pairs("A=ü".encode("latin-1"), ".env"))
    assert "UTF-8" in error.value.hint


def test_changes_one_line_only() -> None:
    after = edited(FILE, ".env", "QUOTED", "three")
    assert after == FILE.replace(b'QUOTED="two words"\n', b"QUOTED='three'\n")


def test_adds_at_the_end() -> None:
    assert edited(b"A=1", ".env", "B", "2") == b"A=1\nB='2'\n"
    assert edited(b"", ".env", "B", "2") == b"B='2'\n"


def test_a_name_that_is_there_twice_is_there_once_afterwards() -> None:
    assert dict(pairs(edited(b"A=1\nB=2\nA=3\n", ".env", "A", "4"), ".env")) == {"A": "4", "B": "2"}


@given(
    before=st.dictionaries(
        st.sampled_from(("A", "B", "C")), st.text(st.characters(codec="utf-8", exclude_characters="\r\0"))
    ),
    value=st.text(st.characters(codec="utf-8", exclude_characters="\r\0")),
)
def test_any_value_comes_back(before: dict[str, str], value: str) -> None:
    data = b""
    for name, content in before.items():
        data = edited(data, ".env", name, content)
    assert dict(pairs(edited(data, ".env", "NEW", value), ".env")) == {**before, "NEW": value}


def test_stays_in_the_project(tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "other.env").write_text("A=1")
    (tmp_path / "project" / "link.env").symlink_to(tmp_path / "other.env")
    for path in ("../other.env", "link.env", str(tmp_path / "other.env")):
        with pytest.raises(UserError, match="outside the project"):
            inside(tmp_path / "project", path)


def test_later_files_win() -> None:
    provider = EnvFile(EnvFileConfig((".env", ".env.prod", "missing.env")))
    files = {"/srv/.env": b"A=1\nB=1\n", "/srv/.env.prod": b"B=2\n"}
    ctx = FakeContext(Path("/srv"), machine=FakeMachine(files=files))
    found = provider.fetch(ctx, ("A", "B", "C"))
    assert {name: secret.reveal() for name, secret in found.items()} == {"A": "1", "B": "2"}
    assert provider.observe(ctx) == SecretFacts(("A", "B"))


def test_a_plan_names_the_file_and_the_file_is_its_owners_alone() -> None:
    provider = EnvFile(EnvFileConfig((".env", ".env.prod")))
    machine = FakeMachine(files={"/srv/.env.prod": b"A=1\n"})
    (change,) = provider.plan(("A", "TOKEN"), SecretFacts(("A",)))
    assert change.description == "set TOKEN in .env.prod"
    provider.apply(FakeContext(Path("/srv"), machine=machine), change, Secret("TOKEN", "t"))
    assert machine.files["/srv/.env.prod"] == b"A=1\nTOKEN='t'\n"
    assert machine.modes["/srv/.env.prod"] == 0o600


def test_names_come_from_the_projects_files() -> None:
    provider = EnvFile(EnvFileConfig((".env", "missing.env")))
    assert provider.names(Project("shop", "prod", MemoryFolder({".env": FILE}))) == (
        "API_KEY",
        "MANY",
        "QUOTED",
        "SINGLE",
    )
