"""A signal may come while a former one is being handled, and must not wait for what that one holds."""

from __future__ import annotations

import subprocess
import sys

#: Sends the second signal while the handler has a lock, as an event has while it is set; a deadlock never prints.
TWICE = """
import os, signal, threading, time
from stagecraft.run.signals import Interrupts

lock, reasons = threading.Lock(), []

def handler(reason):
    with lock:
        reasons.append(reason.message)
        if len(reasons) == 1:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.1)

interrupts = Interrupts()
with interrupts.installed(), interrupts.handled_by(handler):
    os.kill(os.getpid(), signal.SIGINT)
    while len(reasons) < 2:
        time.sleep(0.01)
print(reasons)
"""


def test_a_second_signal_waits_for_nothing_that_the_first_holds() -> None:
    done = subprocess.run([sys.executable, "-c", TWICE], capture_output=True, text=True, timeout=30, check=False)
    assert (done.stdout, done.stderr) == ("['interrupted by SIGINT', 'interrupted by SIGTERM']\n", "")
