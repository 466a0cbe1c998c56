"""Run the client in a process of its own, so that a test's own work does not slow it down."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from .model import Plan, Results, Target

ROOT = Path(__file__).parents[2]
_ENDING = 60.0


class Load:
    """Put a load on targets until it is stopped::

        with Load([Target("10.0.0.1", 80, "shop.example.com")], {"get": 200, "post": 100}) as load:
            deploy()
        assert load.results.lost == 0

    Further arguments are those of `Plan`.
    """

    def __init__(self, targets: list[Target] | tuple[Target, ...], rates: Mapping[str, float], **plan: Any) -> None:
        self.plan = Plan(tuple(targets), dict(rates), **plan)
        self._process: subprocess.Popen[str] | None = None
        self._results: Results | None = None

    @property
    def results(self) -> Results:
        """Return the results; raises RuntimeError while it runs."""
        if self._results is None:
            raise RuntimeError("the load was not stopped yet")
        return self._results

    @property
    def running(self) -> bool:
        """Tell whether requests are still sent: it was started, and its plan has not ended."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> Load:
        """Begin; return once the first request is about to be sent."""
        argv = [sys.executable, "-m", "tests.load", "--plan", "-"]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(argv, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(self.plan.to_json() + "\n")
        self._process.stdin.flush()
        if self._process.stdout.readline().strip() != "begun":
            raise RuntimeError(f"the load did not begin: {self._process.communicate()[1]}")
        return self

    def stop(self) -> Results:
        """Begin no further request, wait for those in flight, and return the results. A second time does nothing."""
        if self._results is None:
            assert self._process is not None, "start() comes first"
            try:
                out, err = self._process.communicate("stop\n", timeout=self.plan.timeout + _ENDING)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.communicate()
                raise
            if self._process.returncode:
                raise RuntimeError(f"the load failed: {err}")
            self._results = Results.from_json(out)
        return self._results

    def wait(self) -> Results:
        """Wait for the plan's own end and return the results."""
        assert self._process is not None, "start() comes first"
        self._process.wait(self.plan.seconds + self.plan.timeout + _ENDING)
        return self.stop()

    def __enter__(self) -> Load:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
