"""What `prune` keeps, removes, and says."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import sys
from pathlib import Path

from .operated import Fleet


def releases_on(fleet: Fleet, host: str) -> set[str]:
    return {path.name for path in fleet.host(host).glob("rel-*")}


def history(fleet: Fleet, count: int) -> list[str]:
    """Deploy until there are that many releases; return their ids."""
    (fleet.folder / "stagecraft.yml").write_text(
        (fleet.folder / "stagecraft.yml").read_text().replace("soak: 0s", "soak: 0s, keep: 1")
    )
    return [fleet.serving, *(fleet.deploy(str(n)) for n in range(2, count + 1))]


def test_what_serves_and_what_a_rollback_needs_stays(fleet: Fleet) -> None:
    one, two, three, four = history(fleet, 4)
    assert releases_on(fleet, "app-1") == {one, two, three, four}
    dry = fleet("prune", "--dry-run", code=0)
    assert dry.out.splitlines()[-1] == f"6 MB would be freed; kept: {four}, {three}"
    assert [line.split() for line in dry.out.splitlines()[1:3]] == [
        ["app-1", "release", one, "1", "MB"],
        ["app-1", "release", two, "1", "MB"],
    ]
    assert releases_on(fleet, "app-1") == {one, two, three, four}
    document = json.loads(fleet("prune", "--json", code=0).out)
    assert (document["bytes"], document["kept"], len(document["removed"])) == (6 << 20, [four, three], 6)
    assert releases_on(fleet, "app-1") == releases_on(fleet, "db-1") == {three, four}
    assert fleet("prune", code=0).out == f"prod: nothing to remove; kept: {four}, {three}\n"
    fleet("rollback", code=0)


def test_hosts_are_chosen_and_those_that_fail_are_named(fleet: Fleet) -> None:
    every = set(history(fleet, 3))
    fleet("prune", "--host", "db-1", code=0)
    assert releases_on(fleet, "app-1") == every
    fleet.down("app-1")
    printed = fleet("prune", code=10)
    assert printed.err.startswith("error: app-1: cannot reach app-1\n")
    assert len(releases_on(fleet, "app-2")) == 2


def test_while_a_run_has_not_ended_nothing_is_removed(fleet: Fleet) -> None:
    history(fleet, 3)
    (fleet.folder / "fail-retire").touch()
    fleet("deploy", "-v", "4", code=2)
    printed = fleet("prune", code=1)
    assert "did not end" in printed.err
    assert "--resume` finishes it" in printed.err


def test_on_a_terminal_it_asks(tmp_path: Path) -> None:
    """With a project that plain processes serve: there is nothing to remove, and no is what nobody said."""
    import shutil
    import subprocess

    folder = Path(shutil.copytree(Path(__file__).parents[1] / "golden/small", tmp_path / "small"))
    environ = {k: v for k, v in os.environ.items() if not k.startswith("STAGECRAFT_")}
    command = [sys.executable, "-m", "stagecraft"]
    try:
        subprocess.run([*command, "deploy", "-v", "1"], cwd=folder, env=environ, check=True, capture_output=True)
        for answer, said in ((b"\n", b"nothing was removed"), (b"y\n", b"nothing to remove; kept: rel-")):
            pid, terminal = pty.fork()
            if pid == 0:
                os.chdir(folder)
                os.execve(sys.executable, [*command, "prune"], environ)
            seen = b""
            while b"remove it? [y/N]" not in seen:
                seen += os.read(terminal, 4096)
            os.write(terminal, answer)
            after = b""
            with contextlib.suppress(OSError):
                while chunk := os.read(terminal, 4096):
                    after += chunk
            os.close(terminal)
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
            assert said in after
    finally:
        home = folder / ".stagecraft/run/local"
        subprocess.run([sys.executable, "-m", "stagecraft_process.stop", str(home)], check=False)
