"""The engine keeps the contract of migration engines, on SQLite, PostgreSQL and MariaDB."""

from __future__ import annotations

from pathlib import Path

import pytest
from stagecraft_hookspecs.contract.doubles import FakeContext
from stagecraft_hookspecs.contract.migration import MigrationContract, MigrationDatabaseContract
from stagecraft_hookspecs.migration import Database
from stagecraft_hookspecs.values import Secret
from stagecraft_raw_sql.engine import Raw, RawConfig


class TestRaw(MigrationContract):
    @pytest.fixture
    def provider(self) -> Raw:
        return Raw(RawConfig(resolve={"003_x.sql:2@2026-01-01T00:00:00Z": "again"}))


class OnADatabase(MigrationDatabaseContract):
    @pytest.fixture
    def provider(self) -> Raw:
        return Raw()

    @pytest.fixture
    def url(self) -> str:
        return "sqlite:///data.db"

    @pytest.fixture
    def live(self, tmp_path: Path, url: str) -> tuple[FakeContext, Database]:
        self.files().write_to(tmp_path)
        return FakeContext(tmp_path), Database("main", Secret("DATABASE_URL", url))


class TestOnSqlite(OnADatabase):
    pass


@pytest.mark.needs("postgres")
class TestOnPostgres(OnADatabase):
    @pytest.fixture
    def url(self, postgres_url: str) -> str:
        return postgres_url


@pytest.mark.needs("mariadb")
class TestOnMariadb(OnADatabase):
    @pytest.fixture
    def url(self, mariadb_url: str) -> str:
        return mariadb_url
