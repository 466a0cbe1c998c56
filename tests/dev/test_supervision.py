"""`stagecraft dev` as a user runs it, with real processes: what it says, how it ends, and that nothing is left."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.dev.stack import (
    SERVER,
    SLEEPER,
    alive,
    command,
    environ,
    free_port,
    generic,
    left,
    python,
    run,
    running,
    write_project,
)


def test_both_run_get_ready_and_end_with_ctrl_c(tmp_path: Path) -> None:
    port = free_port()
    write_project(
        tmp_path,
        backend=generic(python(SERVER, env={"PORT": str(port)})),
        frontend=generic(python(SLEEPER, line="asleep"), "web"),
    )
    with running(tmp_path) as stack:
        stack.until(f"all ready: backend at http://localhost:{port}")
        with socket.create_connection(("127.0.0.1", port)):
            pass
        pids = [stack.pid("backend"), stack.pid("frontend")]
        assert stack.end() == 130
    assert "backend    | ending" in stack.lines
    assert stack.lines[-1] == "stagecraft | stopped: interrupted by SIGINT"
    assert "\x1b" not in stack.text and "error" not in stack.text
    assert not any(map(alive, pids)) and left(tmp_path) == []
    assert not (tmp_path / ".stagecraft/dev/session.json").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_other_signals_end_it_in_the_same_way(tmp_path: Path, number: signal.Signals) -> None:
    write_project(tmp_path, backend=generic(python(SLEEPER)))
    with running(tmp_path) as stack:
        stack.until("asleep")
        assert stack.end(number) == 130
    assert stack.lines[-1] == f"stagecraft | stopped: interrupted by {number.name}"
    assert left(tmp_path) == []


def test_services_that_no_process_stands_for_are_named_with_the_command_that_starts_them(tmp_path: Path) -> None:
    write_project(tmp_path, backend=generic(python(SLEEPER)), frontend=generic(None, "web"))
    with running(tmp_path) as stack:
        assert stack.until("docker compose").endswith("docker compose up -d postgres web")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("print('no database'); raise SystemExit(3)", "backend exited with code 3"),
        ("print('no database')", "backend exited with code 0"),
        (
            "import os; print('no database', flush=True); os.kill(os.getpid(), 9)",
            "backend was ended by SIGKILL",
        ),
    ],
)
def test_a_required_process_that_ends_stops_the_stack(tmp_path: Path, code: str, said: str) -> None:
    write_project(tmp_path, backend=generic(python(code)), frontend=generic(python(SLEEPER), "web"))
    found = run(tmp_path)
    assert found.returncode == 2
    first, *rest = found.stderr.splitlines()
    assert first == f"error: {said}"
    assert rest[:-1] == ["  no database"] and rest[-1].startswith("hint: ")
    assert left(tmp_path) == []


def test_with_json_every_line_is_a_document(tmp_path: Path) -> None:
    write_project(tmp_path, backend=generic(python("print('a | b'); print('ü'); raise SystemExit(1)")))
    found = run(tmp_path, "--json")
    lines, _, end = found.stdout.partition('{\n  "error"')
    documents = [json.loads(line) for line in lines.splitlines()]
    assert [d["line"] for d in documents if "line" in d] == ["a | b", "ü"]
    assert documents[0] == {"event": "starting", "process": "backend"}
    assert '"code": "provider"' in end and found.returncode == 2


@pytest.mark.parametrize(
    ("dev", "code", "said"),
    [
        ({"command": ["no-such-command-here"]}, 2, "backend's command 'no-such-command-here' is not installed"),
        ({"command": ["./missing.sh"]}, 2, "backend's command ./missing.sh is not there"),
        ({"command": ["./plain.txt"]}, 1, "backend's command ./plain.txt may not be executed"),
        ({"command": ["./broken"]}, 2, "cannot run ./broken"),
        ({"command": ["true"], "workdir": "./none"}, 1, "backend is to run in ./none, which is no folder"),
        ({"command": ["true"], "workdir": ".."}, 1, "backend is to run in .., which is outside the project"),
        ({"command": ["true"], "workdir": "out"}, 1, "backend is to run in out, which is outside the project"),
        ({"command": []}, 1, "command is empty"),
        ({"command": ["true"], "line": "("}, 1, "no regular expression"),
    ],
)
def test_what_cannot_start_is_one_clear_error(tmp_path: Path, dev: dict[str, object], code: int, said: str) -> None:
    (tmp_path / "plain.txt").write_text("")
    (tmp_path / "broken").write_text("#!/no/such/interpreter\n")
    (tmp_path / "broken").chmod(0o755)
    (tmp_path / "out").symlink_to("/")
    write_project(tmp_path, backend=generic(dev), frontend=generic(python(SLEEPER), "web"))
    found = run(tmp_path)
    assert found.returncode == code, found.stderr
    assert said in found.stderr and "hint:" in found.stderr and "Traceback" not in found.stderr
    assert left(tmp_path) == []


def test_a_port_that_is_taken_is_named_with_its_owner(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        write_project(
            tmp_path,
            backend=generic(python("open('ran', 'w')")),
            frontend=generic(python(SERVER, env={"PORT": str(port)}), "web"),
        )
        found = run(tmp_path)
    assert found.returncode == 2
    assert re.search(
        rf"port {port}, which frontend wants, is taken by process {os.getpid()} \(python.*\)", found.stderr
    )
    assert f"kill {os.getpid()}" in found.stderr
    assert not (tmp_path / "ran").exists(), "it was seen before anything started"


def test_a_process_that_does_not_get_ready_shows_its_last_lines(tmp_path: Path) -> None:
    code = "import time; print('cannot reach the database'); time.sleep(600)"
    write_project(tmp_path, backend=generic(python(code, port=free_port(), timeout=1)))
    found = run(tmp_path)
    assert found.returncode == 2
    assert "error: backend did not become ready: when port" in found.stderr
    assert "  cannot reach the database" in found.stderr
    assert left(tmp_path) == []


def test_one_that_ignores_sigterm_is_killed_after_the_grace(tmp_path: Path) -> None:
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('stubborn'); time.sleep(600)"
    write_project(tmp_path, backend=generic(python(code)))
    with running(tmp_path) as stack:
        stack.until("stubborn")
        began = time.monotonic()
        assert stack.end() == 130
        assert 4.5 < time.monotonic() - began < 15
    assert left(tmp_path) == []


def test_sigterm_comes_once_to_each_process(tmp_path: Path) -> None:
    code = """
        import signal, subprocess, sys, time
        count = (
            "import os, signal, sys, time\\n"
            # the two share a pipe: a line is written at once, or it may be cut by the other's
            "say = lambda word: os.write(1, f'{sys.argv[1]} {word}\\\\n'.encode())\\n"
            "signal.signal(15, lambda *_: say('told'))\\n"
            "say('up')\\n"
            "time.sleep(1.5); time.sleep(1.5); say('left')"
        )
        for name, away in (("member", False), ("stranger", True)):
            subprocess.Popen([sys.executable, "-u", "-c", count, name], start_new_session=away)
        time.sleep(600)
    """
    write_project(tmp_path, backend=generic(python(code)))
    with running(tmp_path) as stack:
        stack.until("member up")
        stack.until("stranger up")
        assert stack.end() == 130
    for name in ("member", "stranger"):
        assert stack.lines.count(f"backend    | {name} told") == 1
        assert f"backend    | {name} left" in stack.lines, "it was let to finish"


def test_a_second_ctrl_c_kills_at_once(tmp_path: Path) -> None:
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('stubborn'); time.sleep(600)"
    write_project(tmp_path, backend=generic(python(code)))
    with running(tmp_path) as stack:
        stack.until("stubborn")
        stack.send(signal.SIGINT)
        stack.until("stopping")
        began = time.monotonic()
        assert stack.end() == 130
        assert time.monotonic() - began < 4
    assert left(tmp_path) == []


#: Starts a child in its group and one in a session of its own, which may ignore SIGTERM.
FAMILY = """
    import signal, subprocess, sys, time
    sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
    deaf = [sys.executable, "-c", "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)"]
    subprocess.Popen(sleep)
    subprocess.Popen({}, start_new_session=True)
    time.sleep(0.5)
    print("family complete")
    {}
"""


@pytest.mark.parametrize(
    ("second", "ends", "code"),
    [("sleep", "time.sleep(600)", 130), ("deaf", "sys.exit(1)", 2)],
    ids=["interrupted", "by itself"],
)
def test_descendants_end_with_it_wherever_they_went(tmp_path: Path, second: str, ends: str, code: int) -> None:
    write_project(tmp_path, backend=generic(python(FAMILY.format(second, ends))))
    with running(tmp_path) as stack:
        stack.until("family complete")
        assert (stack.end() if code == 130 else stack.wait()) == code
    assert left(tmp_path) == []


def test_a_change_restarts_the_one_that_watches(tmp_path: Path) -> None:
    (tmp_path / "api").mkdir()
    (tmp_path / "api/app.py").write_text("1")
    write_project(
        tmp_path,
        backend=generic(python(SLEEPER, watch=["api/**/*.py"])),
        frontend=generic(python(SLEEPER), "web"),
    )
    with running(tmp_path) as stack:
        stack.until("all ready")
        stack.until("asleep", times=2)
        first, other = stack.pid("backend"), stack.pid("frontend")
        (tmp_path / "api/app.py").write_text("22")
        stack.until("restarting backend: api/app.py changed")
        stack.until("asleep", times=3)
        assert stack.pid("backend") != first and not alive(first)
        assert stack.pid("frontend") == other and alive(other)
        stack.until("all ready", times=2)


def test_a_second_session_of_the_project_is_refused(tmp_path: Path) -> None:
    write_project(tmp_path, backend=generic(python(SLEEPER)))
    with running(tmp_path) as stack:
        stack.until("asleep")
        refused = run(tmp_path)
        assert refused.returncode == 1
        assert f"a development session of this project runs: process {stack.process.pid}" in refused.stderr
        assert alive(stack.pid("backend"))


def test_lines_are_never_torn_and_none_is_lost(tmp_path: Path) -> None:
    code = """
        import sys
        for number in range({count}):
            sys.stdout.write("{name}-%07d-" % number + "{name}" * 15 + "\\n")
        sys.stdout.flush()
        import time; time.sleep(600)
    """
    count = 40_000
    write_project(
        tmp_path,
        backend=generic(python(code.format(name="back", count=count))),
        frontend=generic(python(code.format(name="front", count=count)), "web"),
    )
    with running(tmp_path) as stack:
        stack.until(f"back-{count - 1:07}", timeout=60)
        stack.until(f"front-{count - 1:07}", timeout=60)
    for name, prefix in (("back", "backend    | "), ("front", "frontend   | ")):
        lines = [line for line in stack.lines if line.startswith(f"{prefix}{name}-")]
        assert lines == [f"{prefix}{name}-{n:07}-{name * 15}" for n in range(count)]


def test_a_reader_that_goes_away_ends_it_quietly(tmp_path: Path) -> None:
    code = "import time\nwhile True: print('tick'); time.sleep(0.05)"
    write_project(tmp_path, backend=generic(python(code)))
    process = subprocess.Popen(
        command(), cwd=tmp_path, env=environ(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(30) == 0
    assert process.stderr.read() == ""
    assert left(tmp_path) == []


def test_a_log_that_nobody_reads_does_not_keep_it_from_ending(tmp_path: Path) -> None:
    write_project(tmp_path, backend=generic(python("while True: print('x' * 1000)")))
    process = subprocess.Popen(command(), cwd=tmp_path, env=environ(), stdout=subprocess.PIPE)
    deadline = time.monotonic() + 20
    while not (tmp_path / ".stagecraft/dev/logs/backend.log").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 130
    assert left(tmp_path) == []
    assert process.stdout is not None
    process.stdout.close()


def test_a_slow_reader_slows_the_process_down_and_fills_no_memory(tmp_path: Path) -> None:
    code = """
        import sys
        for number in range(400):
            sys.stdout.write(("%06d " % number + "x" * 92 + "\\n") * 1000)
            open("written", "w").write(str(number))
    """
    write_project(tmp_path, backend=generic(python(code)))
    process = subprocess.Popen(command(), cwd=tmp_path, env=environ(), stdout=subprocess.PIPE)
    try:
        deadline = time.monotonic() + 20
        while not (tmp_path / "written").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(1.5)
        held = int((tmp_path / "written").read_text())
        time.sleep(0.5)
        assert int((tmp_path / "written").read_text()) == held < 20, "40 MB would be 400"
        status = Path(f"/proc/{process.pid}/status").read_text()
        assert int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) < 100_000  # type: ignore[index]
    finally:
        process.send_signal(signal.SIGINT)
        assert process.stdout is not None
        process.stdout.read()
        process.stdout.close()
        assert process.wait(20) == 130
    assert left(tmp_path) == []


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    write_project(tmp_path, backend=generic(python(SLEEPER)))
    (tmp_path / ".stagecraft").write_text("")
    found = run(tmp_path)
    assert found.returncode == 2
    assert "cannot use .stagecraft/dev" in found.stderr and sys.executable not in found.stderr
