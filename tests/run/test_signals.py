"""Signals interrupt a scope however many come, and whatever the main thread is doing."""

from __future__ import annotations

import subprocess
import sys

import pytest

#: Waits in the main thread while another sends signals as fast as it can; a deadlock never prints.
STORM = """
import os, signal, threading, time
from stagecraft.machine.scope import Scope
from stagecraft.run.signals import Interrupts
from stagecraft_hookspecs.errors import Interrupted

for round in range(ROUNDS):
    interrupts, scope = Interrupts(), Scope()
    inner = [Scope(scope) for _ in range(20)]
    ready = threading.Event()

    def storm():
        ready.wait()
        for _ in range(5):
            os.kill(os.getpid(), signal.SIGINT)

    with interrupts.installed(), interrupts.handled_by(scope.cancel):
        thread = threading.Thread(target=storm)
        thread.start()
        ready.set()
        try:
            while True:
                inner[-1].sleep(0.0001)
        except Interrupted as error:
            assert "SIGINT" in error.message
        thread.join()
        time.sleep(0.001)
print("over")
"""


@pytest.mark.parametrize("rounds", [100])
def test_a_storm_of_signals_never_blocks_the_main_thread(rounds: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", STORM.replace("ROUNDS", str(rounds))],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.stdout, done.stderr, done.returncode) == ("over\n", "", 0)
