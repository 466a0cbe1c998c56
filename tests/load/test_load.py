"""The load notices every request that is lost, repeats none by itself, and keeps its rate."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.load import KINDS, Load, Plan, Results, Target
from tests.load.tally import Tally

APP = Path(__file__).parent / "app.py"


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


@contextmanager
def app(port: int, version: str = "v1", **env: str) -> Iterator[subprocess.Popen[str]]:
    argv = [sys.executable, str(APP), str(port), version]
    environment = {**os.environ, "ADDRESS": "127.0.0.1", **env}
    process = subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        assert "listens" in process.stdout.readline()
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout
        process.stdout.close()


@contextmanager
def server(answer: Callable[[bytes], bytes]) -> Iterator[tuple[int, list[bytes]]]:
    """Serve what ``answer`` makes of a request's head, then close; nothing is sent for an empty answer."""
    heads: list[bytes] = []
    ready, loop = threading.Event(), asyncio.new_event_loop()
    port = free_port()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer(heads[-1]))
        await writer.drain()
        writer.close()

    async def run() -> None:
        await asyncio.start_server(serve, "127.0.0.1", port)
        ready.set()

    def work() -> None:
        loop.run_until_complete(run())
        loop.run_forever()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    ready.wait(10)
    yield port, heads
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def run(port: int, rates: dict[str, float], **plan: float) -> Results:
    return Load([Target("127.0.0.1", port)], rates, **plan).start().wait()


def test_every_kind_is_answered_and_counted() -> None:
    port = free_port()
    with app(port, "v7"):
        results = run(port, dict.fromkeys(KINDS, 20), seconds=2)
    assert results.lost == 0, str(results)
    assert {kind: (k.sent, k.answered) for kind, k in results.kinds.items()} == dict.fromkeys(KINDS, (40, 40))
    assert all(k.versions == {"v7": 40} for k in results.kinds.values())
    assert all(0 < k.p50 <= k.p95 <= k.p99 <= k.max for k in results.kinds.values())
    assert results.kinds["stream"].p50 > 0.4
    assert results.reconnects == 0


def test_the_rate_is_kept_however_slow_the_server_is() -> None:
    port = free_port()
    with app(port):
        results = run(port, {"get": 50}, seconds=2, paths={"get": "/slow?1"})  # type: ignore[arg-type]
    assert (results.sent, results.lost) == (100, 0), str(results)
    assert results.kinds["get"].p50 >= 1


def test_each_dropped_request_is_a_loss_and_none_is_sent_twice() -> None:
    port = free_port()
    with app(port, DROP="10"):
        results = run(port, {"post": 100}, count=200)
    assert (results.sent, results.lost) == (200, 20), str(results)
    assert results.kinds["post"].failed == {"eof": 20}
    assert "eof" in results.kinds["post"].examples[0]


def test_one_lost_get_of_many_is_noticed() -> None:
    port = free_port()
    with app(port, DROP="150"):
        results = run(port, {"get": 100}, count=200)
    assert results.kinds["get"].failed == {"eof": 1}, str(results)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", "status-503"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nspam", "wrong"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", "eof"),
        (b"spam\r\n\r\n", "wrong"),
        (b"", "eof"),
    ],
    ids=["refused", "other-body", "half-an-answer", "no-http", "no-answer"],
)
def test_a_bad_answer_is_a_loss(answer: bytes, why: str) -> None:
    with server(lambda head: answer) as (port, heads):
        results = run(port, {"post": 50}, count=10)
    assert results.kinds["post"].failed == {why: 10}, str(results)
    assert len(heads) == 10


def test_an_answer_that_does_not_come_is_a_timeout() -> None:
    port = free_port()
    with app(port):
        results = run(port, {"get": 50}, count=5, timeout=0.3, paths={"get": "/slow?5"})  # type: ignore[arg-type]
    assert results.kinds["get"].failed == {"timeout": 5}


def test_a_server_that_is_away_makes_losses_and_a_gap() -> None:
    port = free_port()
    with app(port, "v1") as first:
        load = Load([Target("127.0.0.1", port)], {"get": 100, "ws": 20}).start()
        time.sleep(0.5)
        first.terminate()
        first.wait()
        time.sleep(1)
        with app(port, "v2"):
            time.sleep(1)
            results = load.stop()
    get = results.kinds["get"]
    assert get.failed.get("connect", 0) > 20, str(results)
    assert get.gap >= 1
    assert set(get.versions) == {"v1", "v2"}
    assert results.kinds["ws"].reconnects == 4


def test_a_websocket_that_ends_while_its_echo_is_awaited_is_a_loss() -> None:
    upgrade = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"
    with server(lambda head: upgrade) as (port, _):
        results = run(port, {"ws": 20}, count=10, timeout=2)
    assert results.kinds["ws"].answered == 0
    assert results.lost == 10, str(results)


def test_an_echo_that_crosses_an_orderly_close_is_counted_apart() -> None:
    upgrade = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"

    def serve(listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connection.recv(65536)
            connection.sendall(upgrade)
            connection.recv(65536)  # the message
            connection.sendall(b"\x88\x02\x03\xe9")
            connection.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        for _ in range(4):
            threading.Thread(target=serve, args=(listener,), daemon=True).start()
        results = run(listener.getsockname()[1], {"ws": 20}, count=10)
        listener.shutdown(socket.SHUT_RDWR)
    assert (results.lost, results.cut) == (0, 10), str(results)
    assert results.reconnects > 0


def test_results_are_the_same_after_a_journey_as_json() -> None:
    tally = Tally()
    for i in range(100):
        tally.due(i / 10)
        tally.good(i / 10, i / 10 + 0.001 * (i + 1), "v1")
    tally.bad("reset", 3.0, "gone")
    results = Results({"get": tally.result()}, 10.0)
    assert Results.from_json(results.to_json()) == results
    get = results.kinds["get"]
    assert [round(t, 3) for t in (get.p50, get.p95, get.p99, get.max)] == [0.05, 0.095, 0.099, 0.1]


def test_a_plan_of_nothing_or_of_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="rate above 0"):
        Plan((Target("127.0.0.1", 1),), {})
    with pytest.raises(ValueError, match="no kind 'put'"):
        Plan((Target("127.0.0.1", 1),), {"put": 1})


def test_the_command_prints_a_table_and_exits_1_for_a_loss() -> None:
    port = free_port()
    argv = [sys.executable, "-m", "tests.load", f"127.0.0.1:{port}=shop.test", "--get", "20", "--count", "3"]
    done = subprocess.run(argv, capture_output=True, text=True, cwd=APP.parents[2])
    assert done.returncode == 1
    assert "3 sent" in done.stdout
    assert "connect 3" in done.stdout
    with app(port):
        assert subprocess.run(argv, capture_output=True, cwd=APP.parents[2]).returncode == 0
