"""Log lines of several hosts are one stream in the order of their times, and a host that goes away and comes back loses none."""

from __future__ import annotations

import contextlib
import datetime
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from stagecraft_hookspecs.errors import Interrupted, ProviderError

from stagecraft.cli.session import Session
from stagecraft.output.sink import Sink
from stagecraft.run import following, logs
from stagecraft.run.logs import Parser

from .operated import Fleet

GOLDEN = Path(__file__).parents[1] / "golden"


def stamp(second: float = 0.0) -> str:
    """A time that many seconds from now."""
    moment = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=second)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def test_lines_of_all_hosts_stand_in_the_order_of_their_times(fleet: Fleet) -> None:
    fleet.write_log("app-1", "api", "2026-01-02T00:00:01Z one", "2026-01-02T00:00:04.5Z four")
    fleet.write_log("app-2", "api", "2026-01-02T00:00:03.25Z three", "2026-01-02T00:00:04.49Z not yet four")
    fleet.write_log("db-1", "db", "2026-01-02T00:00:02.1Z two")
    assert fleet("logs", code=0).out.splitlines() == [
        "app-1 api | one",
        "db-1  db  | two",
        "app-2 api | three",
        "app-2 api | not yet four",
        "app-1 api | four",
    ]
    assert fleet("logs", "--host", "app-2", "--tail", "1", code=0).out == "api | not yet four\n"
    assert fleet("logs", "--service", "db", "--host", "db-1", code=0).out == "db | two\n"


def test_json_has_a_document_per_line(fleet: Fleet) -> None:
    fleet.write_log("db-1", "db", "2026-01-02T00:00:02.1Z a | b")
    lines = fleet("logs", "--json", code=0).out.splitlines()
    assert [json.loads(line) for line in lines] == [
        {"host": "db-1", "service": "db", "time": "2026-01-02T00:00:02.1Z", "line": "a | b"}
    ]


def test_a_host_that_cannot_be_asked_is_named_and_the_others_are_shown(fleet: Fleet) -> None:
    fleet.write_log("app-1", "api", "2026-01-02T00:00:01Z one")
    fleet.down("app-2")
    printed = fleet("logs", code=10)
    assert printed.out == "app-1 api | one\n"
    assert printed.err.splitlines()[0] == "error: app-2: cannot reach app-2"
    fleet.down("app-1", "db-1")
    assert fleet("logs", code=2).err.startswith("error: none of the 3 hosts could be asked")
    assert fleet("logs", "-f", code=2).err.startswith("error: none of the 3 hosts could be asked")


@pytest.mark.parametrize(
    ("printed", "service", "text", "order"),
    [
        ("api | 2026-01-02T00:00:01Z x", "api", "x", "2026-01-02T00:00:01.000000000"),
        ("api   | 2026-01-02T00:00:01.5Z  x ", "api", " x ", "2026-01-02T00:00:01.500000000"),
        ("api | 2026-01-02T00:00:01.123456789Z", "api", "", "2026-01-02T00:00:01.123456789"),
        ("api | no time", "api", "no time", ""),
        ("api |", "api", "", ""),
        ("api | 2026-01-02T00:00:01Z a | b", "api", "a | b", "2026-01-02T00:00:01.000000000"),
    ],
)
def test_a_line_is_taken_apart(printed: str, service: str, text: str, order: str) -> None:
    line = Parser("h")(printed)
    assert line
    assert (line.service, line.text, line.order) == (service, text, order)


def test_a_line_without_a_time_stays_behind_the_one_before_it() -> None:
    parse = Parser("h")
    first, second = parse("api | 2026-01-02T00:00:01Z Traceback"), parse("api |   in main()")
    assert first and second
    assert second.order == first.order
    assert Parser("h")("Error response from daemon") is None


class Followed:
    """What was shown and said since following began."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.notes: list[str] = []
        self.error: BaseException | None = None
        self.stop: Callable[[], None] = lambda: None

    def until(self, condition: Callable[[], bool], seconds: float = 20.0) -> None:
        """Wait for something; fail if it does not come."""
        ends = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < ends, (self.lines, self.notes, self.error)
            time.sleep(0.02)


@pytest.fixture
def follow(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Followed]]:
    """Follow all services of the fleet until the test ends, looking at the hosts more often than usual."""
    monkeypatch.setattr(following, "WATCH", 0.2)
    monkeypatch.chdir(fleet.folder)
    with contextlib.ExitStack() as stack:

        def begin() -> Followed:
            session = Session(Sink(io.StringIO(), io.StringIO()), {"env": "prod"})
            ctx = stack.enter_context(session.context())
            followed = Followed()
            chosen = logs.select(session.loaded, (), (), ())
            wanted = logs.Wanted(
                chosen,
                0.0,
                -1,
                lambda line: followed.lines.append(f"{line.host} {line.text}"),
                lambda host, words: followed.notes.append(f"{host}: {words}"),
            )

            def run() -> None:
                try:
                    following.follow(session.loaded, ctx, wanted)
                except (Interrupted, ProviderError) as error:
                    followed.error = error

            thread = threading.Thread(target=run)
            thread.start()

            def stop() -> None:
                ctx.scope.cancel()
                thread.join(20)

            stack.callback(stop)
            followed.stop = stop
            return followed

        yield begin


def test_lines_come_as_they_are_written_on_each_host(fleet: Fleet, follow: Callable[[], Followed]) -> None:
    fleet.write_log("app-1", "api", f"{stamp(-3)} old")
    followed = follow()
    followed.until(lambda: followed.lines == ["app-1 old"])
    fleet.write_log("db-1", "db", f"{stamp()} new")
    followed.until(lambda: followed.lines == ["app-1 old", "db-1 new"])


def test_a_host_that_goes_away_is_waited_for_and_nothing_is_lost_or_doubled(
    fleet: Fleet, follow: Callable[[], Followed]
) -> None:
    twice = stamp()
    fleet.write_log("app-1", "api", f"{stamp(-1)} a1", f"{twice} same", f"{twice} same")
    followed = follow()
    followed.until(lambda: len(followed.lines) == 3)
    fleet.down("app-1")
    (fleet.host("app-1") / "cut").touch()
    followed.until(lambda: any("trying again" in note for note in followed.notes))
    fleet.write_log("app-1", "api", f"{stamp()} a2", f"{stamp()} a3")
    fleet.write_log("app-2", "api", f"{stamp()} meanwhile")
    followed.until(lambda: "app-2 meanwhile" in followed.lines)
    assert "app-1 a2" not in followed.lines
    (fleet.host("app-1") / "cut").unlink()
    fleet.up("app-1")
    followed.until(lambda: "app-1 a3" in followed.lines)
    fleet.write_log("app-1", "api", f"{stamp()} a4")
    followed.until(lambda: "app-1 a4" in followed.lines)
    assert [line for line in followed.lines if line.startswith("app-1")] == [
        f"app-1 {text}" for text in ("a1", "same", "same", "a2", "a3", "a4")
    ]
    assert [n for n in followed.notes if "again" in n] == [
        next(n for n in followed.notes if n.endswith("; trying again")),
        "app-1: connected again",
    ]


def test_an_instance_that_a_deploy_starts_is_followed(fleet: Fleet, follow: Callable[[], Followed]) -> None:
    followed = follow()
    fleet.write_log("app-1", "api", f"{stamp()} of 1")
    followed.until(lambda: "app-1 of 1" in followed.lines)
    fleet.deploy("2")
    fleet.write_log("app-1", "api", f"{stamp()} of 2")
    followed.until(lambda: "app-1 of 2" in followed.lines)
    assert followed.lines.count("app-1 of 1") == 1


def test_what_was_started_on_the_hosts_ends_with_the_command(fleet: Fleet, follow: Callable[[], Followed]) -> None:
    followed = follow()
    fleet.write_log("app-1", "api", f"{stamp()} x")
    followed.until(lambda: bool(followed.lines))

    def readers() -> list[str]:
        found = []
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if entry.name.isdigit() and Path(os.readlink(entry / "cwd")).is_relative_to(fleet.folder / "hosts"):
                    found.append(entry.name)
        return found

    assert len(readers()) == 3
    followed.stop()
    assert isinstance(followed.error, Interrupted)
    assert readers() == []


def test_ctrl_c_ends_following_with_0_and_a_reader_that_goes_away_too(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(GOLDEN / "small", tmp_path / "small"))
    environ = {k: v for k, v in os.environ.items() if not k.startswith("STAGECRAFT_")}
    command = [sys.executable, "-m", "stagecraft"]
    try:
        subprocess.run([*command, "deploy", "-v", "1"], cwd=folder, env=environ, check=True, capture_output=True)
        process = subprocess.Popen(
            [*command, "logs", "-f"], cwd=folder, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert process.stdout
        assert process.stdout.readline() == "api | serving\n"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
        assert (process.returncode, errors) == (0, "")
        piped = subprocess.run(
            ["sh", "-c", f"({sys.executable} -m stagecraft logs; echo $? > code) | true"],
            cwd=folder,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (piped.stderr, (folder / "code").read_text()) == ("", "0\n")
    finally:
        home = folder / ".stagecraft/run/local"
        subprocess.run([sys.executable, "-m", "stagecraft_process.stop", str(home)], check=False)
