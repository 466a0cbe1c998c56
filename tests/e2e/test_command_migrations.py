"""The guestbook migrated by a tool of its own: engine `command`, in the release's own files and environment."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from .deployed import Deployed, copy_of

pytestmark = pytest.mark.timeout(300)

#: A migration tool as applications have them: it knows its files, remembers what it did, and can be repeated.
TOOL = """
import os, pathlib, sqlite3, sys
connection = sqlite3.connect(os.environ["DATABASE_URL"].removeprefix("sqlite:///"))
connection.execute("CREATE TABLE IF NOT EXISTS done (name TEXT PRIMARY KEY)")
for file in sorted(pathlib.Path("migrations").glob("*.sql")):
    if not connection.execute("SELECT 1 FROM done WHERE name = ?", (file.name,)).fetchone():
        connection.executescript(file.read_text())
        connection.execute("INSERT INTO done VALUES (?)", (file.name,))
        connection.commit()
        print("applied", file.name, flush=True)
sys.exit(int(pathlib.Path("fail").exists()) * 3)
"""


@pytest.fixture
def guestbook(tmp_path: Path) -> Iterator[Deployed]:
    deployed = copy_of("guestbook", tmp_path, "local", "GUESTBOOK_PORT")
    shutil.copytree(deployed.folder / "migrations", deployed.folder / "api" / "migrations")
    (deployed.folder / "api" / "migrate.py").write_text(TOOL)
    config = deployed.folder / "stagecraft.yml"
    raw = "{engine: raw, path: ./migrations, strategy: pre_deploy}"
    assert raw in config.read_text()
    own = "{engine: command, service: api, command: [python3, migrate.py], timeout: 60, strategy: pre_deploy}"
    config.write_text(config.read_text().replace(raw, own))
    yield deployed
    deployed.take_down()


def test_the_tool_runs_before_the_rollout_and_its_failure_stops_it(guestbook: Deployed) -> None:
    plan = json.loads(guestbook.stagecraft("plan", "--json").stdout)
    (migrate,) = [o for o in plan["operations"] if o["action"] == "migration.apply"]
    assert (migrate["phase"], migrate["provider"]) == ("migrate_pre", "command")

    first = guestbook.stagecraft("deploy", "-v", "1")
    said = first.stdout + first.stderr
    names = sorted(path.name for path in (guestbook.folder / "migrations").glob("*.sql"))
    assert all(f"applied {name}" in said for name in names)
    assert guestbook.get("/")[0] == 200

    again = guestbook.stagecraft("deploy", "-v", "2")
    assert "applied" not in again.stdout + again.stderr, "the tool is run again and has nothing to do"

    serving = guestbook.instances()
    (guestbook.folder / "api" / "fail").touch()
    failed = guestbook.stagecraft("deploy", "-v", "3", code=2)
    assert "exit code 3" in failed.stderr
    assert guestbook.instances() == serving, "nothing was rolled out"
