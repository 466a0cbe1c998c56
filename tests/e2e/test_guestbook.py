"""The guestbook's life, the same with and without Docker: deploy, sign, upgrade, break, roll back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from .deployed import Deployed, copy_of

ENTRY = {"author": "Ada", "message": "Hello"}


@pytest.fixture(params=["local", pytest.param("docker", marks=pytest.mark.needs("docker"))])
def guestbook(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Deployed]:
    """A copy that is deployed nowhere yet."""
    deployed = copy_of("guestbook", tmp_path, request.param, "GUESTBOOK_PORT")
    yield deployed
    deployed.take_down()


def authors(deployed: Deployed) -> list[str]:
    return [entry["author"] for entry in deployed.json("/api/entries")]


@pytest.mark.timeout(300)
def test_its_life(guestbook: Deployed) -> None:
    guestbook.stagecraft("deploy", "-v", "1")
    assert guestbook.get("/version") == (200, "1\n")
    assert guestbook.json("/api/entries", ENTRY)["author"] == "Ada"
    first = guestbook.instances()
    assert sorted(first) == ["api", "web"]

    guestbook.stagecraft("deploy", "-v", "1")
    assert guestbook.instances() == first, "nothing has changed, so nothing is restarted"

    (guestbook.folder / "web/version.txt").write_text("2\n")
    guestbook.stagecraft("deploy", "-v", "2")
    assert guestbook.get("/version") == (200, "2\n")
    assert authors(guestbook) == ["Ada"]
    second = guestbook.instances()
    assert second["api"] == first["api"], "the API has not changed"
    assert second["web"] != first["web"]

    (guestbook.folder / "web/server.py").write_text("raise SystemExit('broken on purpose')\n")
    failed = guestbook.stagecraft("deploy", "-v", "3", code=2)
    assert "broken on purpose" in failed.stderr + failed.stdout
    assert guestbook.get("/version") == (200, "2\n")
    assert guestbook.instances() == second, "the old release serves untouched"

    guestbook.stagecraft("rollback")
    assert guestbook.get("/version") == (200, "1\n")
    assert authors(guestbook) == ["Ada"]

    listed = guestbook.stagecraft("releases", "list", "--json").stdout
    assert [row["version"] for row in json.loads(listed)] == ["1", "3", "2", "1", "1"]
