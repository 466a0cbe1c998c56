"""What the tests of the operating commands work on."""

from __future__ import annotations

from pathlib import Path

import pytest

from .operated import Fleet, make


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fleet:
    """Three hosts, `api` on two and `db` on one, with a release that serves."""
    for name in ("STAGECRAFT_ENV", "STAGECRAFT_CONFIG", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("STAGECRAFT_PLUGINS", "local,paper")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.syspath_prepend(str(Path(__file__).with_name("paper")))
    made = make(tmp_path, monkeypatch)
    made.deploy("1")
    return made
