"""A distribution that Stagecraft has never seen is installed, and takes part in a deploy of the guestbook."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from .deployed import EXAMPLES, Deployed, copy_of

pytestmark = pytest.mark.timeout(300)

#: Seals a secret as `secrets sync` would, with the plugin's own code.
SEAL = """
from pathlib import Path
from stagecraft_hookspecs.contract.doubles import FakeContext
from stagecraft_hookspecs.secrets import SecretFacts
from stagecraft_hookspecs.values import Secret
from stagecraft_lighthouse.sealed import Sealed

ctx = FakeContext(Path.cwd())
(change,) = Sealed().plan(("MOTTO",), SecretFacts())
Sealed().apply(ctx, change, Secret("MOTTO", "fair winds & following seas"))
for path, data in ctx.machine().files.items():
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_bytes(data)
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the example beside everything else, as pip does it, from a copy so that nothing is built in the checkout."""
    folder = tmp_path_factory.mktemp("plugin")
    source = folder / "source"
    subprocess.run(["cp", "-r", str(EXAMPLES / "third-party-plugin"), str(source)], check=True)
    options = ["--quiet", "--disable-pip-version-check", "--no-build-isolation", "--no-deps", "--no-index"]
    command = [sys.executable, "-m", "pip", "install", *options, "--target", str(folder / "site"), str(source)]
    subprocess.run(command, check=True)
    return folder / "site"


@pytest.fixture
def guestbook(tmp_path: Path, site: Path) -> Iterator[Deployed]:
    copied = copy_of("guestbook", tmp_path, "local", "GUESTBOOK_PORT")
    deployed = replace(copied, variables={**copied.variables, "PYTHONPATH": str(site)})
    config = deployed.folder / "stagecraft.yml"
    config.write_text(config.read_text() + "\nsecrets: sealed\nplugins: [lighthouse]\n")
    compose = deployed.folder / "docker-compose.yml"
    compose.write_text(compose.read_text().replace('PORT: "8000"\n', 'PORT: "8000"\n      MOTTO: ${MOTTO}\n'))
    environment = {**os.environ, "PYTHONPATH": str(site)}
    subprocess.run([sys.executable, "-c", SEAL], cwd=deployed.folder, env=environment, check=True)
    yield deployed
    deployed.take_down()


def seen(guestbook: Deployed) -> list[str]:
    return guestbook.stagecraft("lighthouse").stdout.splitlines()


def test_it_takes_part_in_deploys(guestbook: Deployed) -> None:
    rows = {row["name"]: row for row in json.loads(guestbook.stagecraft("plugins", "list", "--json").stdout)}
    assert (rows["sealed"]["provides"], rows["sealed"]["fault"]) == (["secrets:sealed"], "")
    assert (rows["lighthouse"]["distribution"], rows["lighthouse"]["version"]) == ("stagecraft-lighthouse", "1.0.0")

    plan = guestbook.stagecraft("plan").stdout
    assert "announce the release of api, web" in plan
    assert "fair winds" not in plan
    assert "announce" not in guestbook.stagecraft("plan", "--no-plugins").stdout

    first = guestbook.stagecraft("deploy", "-v", "1")
    assert "fair winds" not in first.stdout + first.stderr
    assert seen(guestbook)[-3:] == ["before: 2 operations of 1", "after", "release 1: complete"]
    announced = json.loads((guestbook.folder / ".stagecraft" / "lighthouse" / "announcement.json").read_text())
    assert announced == {"environment": "local", "services": ["api", "web"]}
    for pid in guestbook.instances().values():
        environ = (Path("/proc") / pid / "environ").read_bytes().split(b"\0")
        assert b"MOTTO=fair winds & following seas" in environ
    kept = b"".join(p.read_bytes() for p in (guestbook.folder / ".stagecraft" / "releases").rglob("*") if p.is_file())
    assert b"fair winds" not in kept

    server = guestbook.folder / "api" / "server.py"
    good = server.read_text()
    server.write_text("raise SystemExit('a storm')\n")
    guestbook.stagecraft("deploy", "-v", "2", code=2)
    before, failed, told = seen(guestbook)[-3:]
    assert before == "before: 2 operations of 2"
    assert failed.startswith("failed: ")
    assert told == "release 2: failed"
    assert guestbook.get("/")[0] == 200, "the first release serves"

    server.write_text(good + "\n# calm again\n")
    stormy = replace(guestbook, variables={**guestbook.variables, "LIGHTHOUSE_STORM": "1"})
    third = stormy.stagecraft("deploy", "-v", "3")
    assert "observer lighthouse failed and is ignored: the lamp went out" in third.stdout + third.stderr
    assert seen(guestbook)[-2:] == ["before: 2 operations of 3", "after"]
    releases = json.loads(guestbook.stagecraft("releases", "list", "--json").stdout)
    assert [(r["version"], r["phases"]["finalize"]) for r in releases] == [
        ("3", "completed"),
        ("2", "skipped"),
        ("1", "completed"),
    ]


def test_its_own_tests_pass_with_the_contract_alone(tmp_path: Path) -> None:
    """In its folder, not installed, with the kernel out of reach."""
    folder = tmp_path / "plugin"
    subprocess.run(["cp", "-r", str(EXAMPLES / "third-party-plugin"), str(folder)], check=True)
    (folder / "conftest.py").write_text("import sys\n\nsys.modules['stagecraft'] = None\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
