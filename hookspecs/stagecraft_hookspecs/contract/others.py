"""Another process that uses the same store: it says what it did, and is killed without warning."""

from __future__ import annotations

import importlib.util
import inspect
import pickle
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from stagecraft_hookspecs.contract.samples import release


class Other:
    """Run a part of the state suite in a process of its own.

    Args:
        provider: Made again there from its class and configuration.
        suite: The test class, whose ``here`` makes the context.
        root: The store's folder.
    """

    def __init__(self, provider: Any, suite: type[Any], root: Path) -> None:
        self._job = {
            "provider": pickle.dumps((type(provider), provider.config)),
            "suite": (inspect.getfile(suite), suite.__qualname__),
            "root": str(root),
        }
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Other:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def start(self, what: str) -> None:
        """Begin ``record`` or ``hold``."""
        program = f"import sys; sys.path[:] = {[p for p in sys.path if p]!r}\nfrom {__name__} import run; run()"
        self._process = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdin is not None
        self._process.stdin.write(pickle.dumps({**self._job, "what": what}))
        self._process.stdin.close()

    def wait_for(self, word: str) -> None:
        """Wait until the process says a word; fails when it ends without."""
        assert self._process is not None
        assert self._process.stdout is not None
        said = self._process.stdout.readline().decode().strip()
        assert said == word, f"the other process said {said!r}, not {word!r}"

    def kill(self) -> None:
        """End the process by SIGKILL, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None

    def kill_when(self, word: str) -> None:
        """Kill the process as soon as it says a word."""
        self.wait_for(word)
        self.kill()


def run() -> None:
    """Do what standard input says, in the other process."""
    job = pickle.load(sys.stdin.buffer)  # noqa: S301 - it comes from the test
    cls, config = pickle.loads(job["provider"])  # noqa: S301
    state, ctx = cls(config), _suite(*job["suite"])().here(Path(job["root"]))
    if job["what"] == "record":
        state.record(ctx, release(7))
        store = state.open(ctx, release(7).id)
        store.put("plan.json", b"{}")
        store.append({"n": 1})
        store.append({"n": 2})
        print("done", flush=True)
    else:
        from stagecraft_hookspecs.contract.state import ALICE

        held = state.lock(ctx, ALICE)
        held.__enter__()
        print("held", flush=True)
    time.sleep(60)


def _suite(path: str, qualname: str) -> Any:
    """Return the test class, from its file; no test runner is needed for it."""
    spec = importlib.util.spec_from_file_location("stagecraft_contract_suite", path)
    assert spec is not None
    assert spec.loader is not None
    found: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    for name in qualname.split("."):
        found = getattr(found, name)
    return found
