"""The page spec/providers/migration-raw.md says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import attrs
import pytest
from lexer_corpus import CASES
from stagecraft_raw_sql.engine import RawConfig
from stagecraft_raw_sql.files import DIRECTIVES, MAX_BYTES
from stagecraft_raw_sql.ledger import COLUMNS

SPEC = Path(__file__).parents[3] / "spec"


@pytest.fixture
def page() -> str:
    path = SPEC / "providers" / "migration-raw.md"
    if not path.exists():
        pytest.skip("the plugin stands alone")
    return path.read_text()


def test_keys_and_defaults(page: str) -> None:
    config = RawConfig()
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \|", page.split("### URLs")[0], re.MULTILINE)
    said = {key: default.strip("`") for key, default in rows}
    assert said == {f.name: str(getattr(config, f.name) or "") or "empty" for f in attrs.fields(RawConfig)} | {
        "resolve": "empty",
        "statement_timeout": "0.0",
    }
    (front,) = re.findall(r"config: \[(.+)\]", page)
    assert front.split(", ") == [f.name for f in attrs.fields(RawConfig)]


def test_directives(page: str) -> None:
    table = page.split("| directive | effect |")[1].split("\n\n")[0]
    assert sorted(re.findall(r"^\| `([\w-]+)` \|", table, re.MULTILINE)) == sorted(DIRECTIVES)


def test_ledger(page: str) -> None:
    table = page.split("| column | content |")[1].split("\n\n")[0]
    cells = re.findall(r"^\| (.+?) \|", table, re.MULTILINE)
    assert [name for cell in cells for name in re.findall(r"`(\w+)`", cell)] == list(COLUMNS)


def test_limit(page: str) -> None:
    assert f"at most {MAX_BYTES // 2**20} MiB" in page


def test_adr_counts_the_corpus() -> None:
    path = SPEC / "adr" / "0003-sql-lexing.md"
    if not path.exists():
        pytest.skip("the plugin stands alone")
    text = path.read_text()
    for dialect, title in (("postgresql", "PostgreSQL"), ("mysql", "MySQL"), ("sqlite", "SQLite")):
        count = sum(c.dialect == dialect and not c.fault for c in CASES)
        assert f"{title}, {count}" in text
