"""The Node example on a real engine: four services, a database that is migrated before the API starts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .deployed import Deployed, copy_of

pytestmark = [pytest.mark.needs("docker"), pytest.mark.timeout(300)]


@pytest.fixture
def notes(tmp_path: Path) -> Iterator[Deployed]:
    deployed = copy_of("basic-node", tmp_path, "docker", "NOTES_PORT")
    yield deployed
    deployed.take_down()


def test_its_life(notes: Deployed) -> None:
    first = notes.stagecraft("deploy", "-v", "1")
    assert "003_index_by_time.sql" in first.stdout
    status, page = notes.get("/")
    assert status == 200
    assert "<title>Notes</title>" in page
    assert "/assets/index-" in page, "the page is the one that Vite built"
    assert notes.json("/api/notes", {"text": "kept"})["pinned"] is False
    assert notes.json("/api/visits", method="POST") == {"visits": 1}
    before = notes.instances()
    assert sorted(before) == ["api", "postgres", "redis", "web"]

    server = notes.folder / "api/server.js"
    server.write_text(server.read_text().replace("text is missing", "write something"))
    notes.stagecraft("deploy", "-v", "2")
    assert notes.get("/api/notes", {"text": " "}) == (400, '{"error":"write something"}')
    after = notes.instances()
    assert {service for service in before if before[service] != after[service]} == {"api"}

    notes.stagecraft("rollback")
    assert notes.get("/api/notes", {"text": " "}) == (400, '{"error":"text is missing"}')
    assert [note["text"] for note in notes.json("/api/notes")] == ["kept"]
    assert notes.json("/api/visits", method="POST") == {"visits": 2}
