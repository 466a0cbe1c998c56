"""Know the ledger without reading all of it before every file."""

from __future__ import annotations

from stagecraft_hookspecs.errors import ConfigError

from stagecraft_raw_sql import ledger
from stagecraft_raw_sql.files import SqlFile, version
from stagecraft_raw_sql.plan import edited, late
from stagecraft_raw_sql.session import Session


class Memory:
    """Keep the rows seen, and ask for news only. Rows of other files never change while the lock is held."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._rows: dict[str, ledger.Row] = {}
        self._newest = {False: "", True: ""}  # by whether marked `post`
        self._last = 0

    def recall(self, name: str) -> ledger.Row | None:
        """Return a file's row as it is now."""
        self._rows.pop(name, None)
        for row in ledger.news(self._session, self._last, name):
            self._rows[row.name] = row
            self._newest[row.post] = max(self._newest[row.post], row.name, key=version)
            self._last = max(self._last, row.seq)
        return self._rows.get(name)

    def look(self, file: SqlFile) -> ledger.Row | None:
        """Return the row of a file; refuse what planning would have refused, had it known what others have applied since."""
        mine = self.recall(file.name)
        if mine and mine.applied >= mine.total and mine.checksum != file.checksum:
            raise ConfigError([edited(file.name, file.path, mine.checksum, file.checksum)])
        newest = self._newest["post" in file.directives]
        if mine is None and newest and version(newest) >= version(file.name):
            raise ConfigError([late(file.name, file.path, newest)])
        return mine
