"""Secrets that leak would leak here: canaries in every place that can hold one, and a search of everything that comes out."""

from __future__ import annotations

import base64
import os
import stat
import threading
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import pytest

from .tiny import Tiny, docker, make

BOTH = ["local", pytest.param("docker", marks=pytest.mark.needs("docker"))]
#: With characters that every form of quoting changes.
CANARIES = {
    "TOKEN": "env-file canary/+1 &%",
    "SERVICE_TOKEN": "service-file-canary'2=x",
    "PASSED": 'passed-through canary"3\\y',
}


def forms(value: str) -> set[bytes]:
    """Return a value as it leaks: as it is, quoted for URLs, in base64 at any alignment."""
    raw = value.encode()
    found = {raw, urllib.parse.quote(value, safe="").encode(), urllib.parse.quote_plus(value).encode()}
    for shift in range(3):
        coded = base64.b64encode(bytes(shift) + raw).rstrip(b"=")
        found.add(coded[4 if shift else 0 : -2])
    return found


#: What the shell passes through counts as no secret (ADR 0006), but is printed by nothing that looks at the project either.
PASSED = forms(CANARIES["PASSED"])
NEEDLES = {form for name, value in CANARIES.items() if name != "PASSED" for form in forms(value)}


def hits(data: bytes, needles: set[bytes] = NEEDLES) -> list[bytes]:
    return sorted(needle for needle in needles if needle in data)


class Watcher:
    """Read the command line of every process on the machine, some two hundred times a second."""

    def __init__(self) -> None:
        self.found: set[bytes] = set()
        self.rounds = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Watcher:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        known: set[tuple[str, bytes]] = set()
        while not self._stop.wait(0.005):
            self.rounds += 1
            for entry in os.listdir("/proc"):
                try:
                    line = Path("/proc", entry, "cmdline").read_bytes() if entry.isdigit() else b""
                except OSError:
                    continue
                if line and (entry, line) not in known:
                    known.add((entry, line))
                    self.found.update(line for _ in hits(line, NEEDLES | PASSED))


@pytest.fixture(params=BOTH)
def tiny(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Tiny]:
    """The project, with a canary in the environment's file, in the service's own, and passed through from the shell."""
    made = make(tmp_path / "tiny", request.param)
    (made.folder / ".env").write_text(f"TOKEN='{CANARIES['TOKEN']}'\n")
    (made.folder / "service.env").write_text(f'SERVICE_TOKEN="{CANARIES["SERVICE_TOKEN"]}"\n')
    compose = made.folder / "docker-compose.yml"
    text = compose.read_text().replace("    ports:", "    env_file: [service.env]\n    ports:")
    compose.write_text(text.replace('TOKEN: "${TOKEN}"', 'TOKEN: "${TOKEN}", PASSED: null'))
    # what a service gets must be the real values
    server = made.folder / "web/server.py"
    names = ", ".join(f'"{name}"' for name in CANARIES)
    server.write_text(
        server.read_text().replace(
            'pathlib.Path("version.txt").read_bytes()',
            f'repr([os.environ[name] for name in ({names})]).encode() if self.path == "/secrets" else '
            'pathlib.Path("version.txt").read_bytes()',
        )
    )
    try:
        yield made
    finally:
        made.take_down()


def test_no_secret_leaves_its_place(tiny: Tiny) -> None:
    passed = {"PASSED": CANARIES["PASSED"]}
    printed: dict[str, bytes] = {}

    def command(*line: str, code: int | None = 0) -> None:
        done = tiny(*line, code=code, env=passed)
        printed[" ".join(line)] = (done.out + done.err).encode()

    with Watcher() as watcher:
        for form in ("text", "json", "mermaid"):
            command("plan", "--format", form)
        command("plan", "-o", "plan.json")
        command("config", "show")
        command("config", "show", "--json")
        command("config", "validate")
        command("deploy", "-v", "1", "--verbose")
        assert tiny.serves("secrets") == repr(list(CANARIES.values())), "the service itself gets what it is to get"
        command("deploy", "-v", "2", "--json")
        server = tiny.folder / "web/server.py"
        sound = server.read_text()
        shout = "import os, sys\nprint(*os.environ.values(), flush=True)\nsys.exit(' '.join(os.environ.values()))\n"
        server.write_text(shout)
        command("deploy", "-v", "3", "--verbose", code=2)
        command("deploy", "-v", "3", "--json", code=2)
        assert b"********" in printed["deploy -v 3 --verbose"], "its last words are shown, masked"
        server.write_text(
            sound.replace("print(", "print(os.environ['TOKEN'], os.environ['PASSED'], ").replace("'2", "'2")
        )
        command("deploy", "-v", "4")
        command("logs")
        command("logs", "--json")
        assert b"********" in printed["logs"]
        for line in (
            "releases list",
            "releases show",
            "status",
            "migrate plan",
            "doctor",
            "lock status",
            "rollback --dry-run",
        ):
            command(*line.split())
            command(*line.split(), "--json")
        command("rollback", "--verbose")
        command("plan", "-e", CANARIES["TOKEN"], code=1)
    assert watcher.rounds > 50
    assert watcher.found == {one for one in watcher.found if b"stagecraft" in one and b"-e" in one}, "but what we typed"
    asked = printed.pop(f"plan -e {CANARIES['TOKEN']}")
    assert asked
    assert {line: hits(text) for line, text in printed.items() if hits(text)} == {}
    own = {line: text for line, text in printed.items() if "logs" not in line and "deploy -v 3" not in line}
    assert {line: hits(text, PASSED) for line, text in own.items() if hits(text, PASSED)} == {}
    leaks = {}
    for path in tiny.folder.rglob("*"):
        if path.is_file() and path.name not in (".env", "service.env") and hits(path.read_bytes()):
            leaks[str(path.relative_to(tiny.folder))] = stat.S_IMODE(path.stat().st_mode)
    home = f".stagecraft/run/{tiny.environment}/"
    # the runtime's own home holds what its services need, and the services' own logs, for their owner alone
    assert {path: oct(mode) for path, mode in leaks.items() if not path.startswith(home) or mode & 0o077} == {}


def test_only_the_owner_may_read_what_is_kept(tiny: Tiny) -> None:
    former = os.umask(0)
    try:
        tiny("deploy", "-v", "1", env={"PASSED": CANARIES["PASSED"]})
    finally:
        os.umask(former)
    folder = tiny.folder / ".stagecraft"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    kept = [folder / "releases.json", folder / "fingerprint.key", *(folder / "releases").rglob("*.json*")]
    assert len(kept) > 4
    assert {str(p): oct(stat.S_IMODE(p.stat().st_mode)) for p in kept if stat.S_IMODE(p.stat().st_mode) != 0o600} == {}


@pytest.mark.needs("docker")
def test_no_secret_stands_in_an_image(tmp_path: Path) -> None:
    tiny = make(tmp_path / "tiny", "docker")
    try:
        tiny.deploy("1")
        (container,) = tiny.instances()
        image = docker("inspect", "-f", "{{.Image}}", container).strip()
        assert "a-canary-of-tiny" not in docker("history", "--no-trunc", image) + docker("image", "inspect", image)
        labels = docker("inspect", "-f", "{{json .Config.Labels}} {{json .Args}}", container)
        assert "a-canary-of-tiny" not in labels
    finally:
        tiny.take_down()
