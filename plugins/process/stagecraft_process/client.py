"""Talk to an environment's supervisor, and start one where there is none."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
from types import TracebackType
from typing import Any, Self

from stagecraft_hookspecs.errors import ProviderError

from stagecraft_process import layout

START_TIMEOUT = 15.0
#: Longest an answer may take; a request returns before instances become healthy, but may wait for one to stop.
ANSWER_TIMEOUT = 600.0

#: What an instance inherits besides what its service says: how to find programs, whose files, which language and time.
INHERITED = ("HOME", "LANG", "LANGUAGE", "LOGNAME", "PATH", "SHELL", "TMPDIR", "TZ", "USER")


class Client:
    """Send requests to a supervisor over one connection. Use as a context manager."""

    def __init__(self, home: str) -> None:
        """Connect; raises OSError where no supervisor listens."""
        self.home = home
        self.pid = 0
        address, descriptor = layout.socket_address(home)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(ANSWER_TIMEOUT)
        try:
            self._socket.connect(address)
        except OSError:
            self._socket.close()
            raise
        finally:
            if descriptor >= 0:
                os.close(descriptor)
        self._answers = self._socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._answers.close()
        self._socket.close()

    def call(self, request: str, **values: Any) -> Any:
        """Send a request and return its answer.

        Raises:
            ProviderError: The supervisor refused, failed, or went away.
        """
        try:
            self._socket.sendall(json.dumps({"do": request, **values}).encode() + b"\n")
            line = self._answers.readline()
        except OSError as error:
            raise self._gone(str(error)) from error
        if not line:
            raise self._gone("it closed the connection")
        answer = json.loads(line)
        if "error" in answer:
            raise ProviderError(str(answer["error"]), hint=f"its log is {self.home}/supervisor.log")
        return answer["ok"]

    def _gone(self, reason: str) -> ProviderError:
        return ProviderError(
            f"the supervisor of {self.home} does not answer: {reason}",
            hint="run the command again; it starts a new one, which takes over what still runs",
            detail=log_tail(self.home),
        )


def connect(home: str) -> Client | None:
    """Return a client of the running supervisor, or None where none runs.

    Raises:
        ProviderError: One runs that speaks another protocol.
    """
    try:
        client = Client(home)
    except OSError:
        return None
    answer = client.call("hello")
    client.pid, spoken = answer["pid"], answer["protocol"]
    if spoken != layout.PROTOCOL:
        client.__exit__(None, None, None)
        raise ProviderError(
            f"the supervisor of {home} speaks protocol {spoken}, this version {layout.PROTOCOL}",
            hint=f"run `{sys.executable} -m stagecraft_process.stop --leave {home}`; the next command starts a new one",
        )
    return client


def ensure(home: str) -> Client:
    """Return a client of the supervisor, starting it if needed.

    It gets a session of its own, its log as output, and none of this process's environment but what is ``INHERITED``.

    Raises:
        ProviderError: It did not come up; with the end of its log.
    """
    import subprocess
    import time

    client = connect(home)
    if client:
        return client
    os.makedirs(home, mode=0o700, exist_ok=True)
    os.chmod(home, 0o700)
    env = inherited() | {k: os.environ[k] for k in ("PYTHONPATH", "PYTHONHOME") if k in os.environ}
    with open(os.path.join(home, "supervisor.log"), "ab", opener=_private) as log:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "stagecraft_process.supervisor", home],
            cwd=home,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        client = connect(home)
        if client:
            if client.pid != process.pid:  # another command was quicker; ours must not come up once that one is stopped
                process.kill()
                process.wait()
            process.returncode = 0  # it is meant to outlive this process: no warning about that
            return client
        if process.poll() not in (None, 0):
            break
        time.sleep(0.01)
    raise ProviderError(
        f"the supervisor of {home} did not start",
        hint="see the lines below; a damaged state.json can be moved away once its services are ended",
        detail=log_tail(home),
    )


def inherited() -> dict[str, str]:
    """Return the part of this process's environment that instances get."""
    return {k: v for k, v in sorted(os.environ.items()) if k in INHERITED or k.startswith("LC_")}


def log_tail(home: str, lines: int = 20) -> str:
    """Return the end of the supervisor's log."""
    with contextlib.suppress(OSError), open(os.path.join(home, "supervisor.log"), errors="replace") as stream:
        return "".join(stream.readlines()[-lines:]).rstrip()
    return ""


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
