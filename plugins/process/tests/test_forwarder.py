"""The forwarder between a client and an instance, on real sockets: nothing lost, nothing kept in memory, nothing closed early."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagecraft_process.supervisor import forwarder
from stagecraft_process.supervisor.http1 import Exchange
from stagecraft_process.supervisor.model import Instance


class Route:
    """Send everything to the instances it is given."""

    def __init__(self, *ports: int) -> None:
        self.targets = [(Instance(f"i{n}", n), port) for n, port in enumerate(ports)]

    def candidates(self) -> list[tuple[Instance, int]]:
        return list(self.targets)


@contextlib.asynccontextmanager
async def forwarding(route: Route) -> AsyncIterator[int]:
    server = await asyncio.get_running_loop().create_server(lambda: forwarder.Connection(route), "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def unused() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


class ReadsTooEarly(forwarder.Connection):
    """Do as Python 3.11.2 does: begin to read after connection_made, whether it paused the reading or not."""

    def connection_made(self, transport):
        super().connection_made(transport)
        loop = asyncio.get_running_loop()
        loop.call_soon(loop._add_reader, transport._sock_fd, transport._read_ready)


@pytest.mark.parametrize("size", [0, 10, 1_000_000])
@pytest.mark.parametrize("connection", [forwarder.Connection, ReadsTooEarly])
def test_what_comes_before_an_instance_answers_is_kept(connection, size):
    async def answer_at_the_end(reader, writer):
        data = await reader.read()
        writer.write(b"got %d" % len(data))
        writer.close()

    async def run():
        upstream = await asyncio.start_server(answer_at_the_end, "127.0.0.1", 0)
        route = Route()
        server = await asyncio.get_running_loop().create_server(lambda: connection(route), "127.0.0.1", 0)
        async with server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.sockets[0].getsockname()[1])
            writer.write(b"x" * size)
            writer.write_eof()
            await asyncio.sleep(0.1)
            route.targets = Route(upstream.sockets[0].getsockname()[1]).targets
            assert await asyncio.wait_for(reader.read(), 5) == b"got %d" % size
            writer.close()
        upstream.close()

    asyncio.run(run())


def test_half_close_lets_the_answer_through():
    async def answer_at_the_end(reader, writer):
        data = await reader.read()
        writer.write(b"got %d" % len(data))
        writer.close()

    async def run():
        upstream = await asyncio.start_server(answer_at_the_end, "127.0.0.1", 0)
        route = Route(upstream.sockets[0].getsockname()[1])
        async with forwarding(route) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"x" * 1_000_000)
            writer.write_eof()
            assert await reader.read() == b"got 1000000"
            writer.close()
            await asyncio.sleep(0.05)
            assert not route.targets[0][0].connections, "both directions have ended, so the connection has"
        upstream.close()

    asyncio.run(run())


def test_client_that_does_not_read_stops_the_instance_from_writing():
    sent = 0

    async def flood(reader, writer):
        nonlocal sent
        with contextlib.suppress(ConnectionError):
            while sent < 64_000_000:
                writer.write(b"x" * 65536)
                await writer.drain()
                sent += 65536
        writer.close()

    async def run():
        upstream = await asyncio.start_server(flood, "127.0.0.1", 0)
        async with forwarding(Route(upstream.sockets[0].getsockname()[1])) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.transport.pause_reading()
            await asyncio.sleep(0.5)
            held = sent
            assert held < 20_000_000, "the kernel's buffers and no more"
            writer.transport.resume_reading()
            while sent == held:
                assert await reader.read(1_000_000), "the connection is still there"
            writer.transport.abort()
        upstream.close()

    asyncio.run(run())


def test_instance_that_refuses_is_passed_over():
    async def run():
        upstream = await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", 0)
        async with forwarding(Route(unused(), upstream.sockets[0].getsockname()[1])) as port:
            reader, _ = await asyncio.open_connection("127.0.0.1", port)
            assert await asyncio.wait_for(reader.read(), 2) == b""
        upstream.close()

    asyncio.run(run())


def test_connection_waits_for_an_instance_that_starts():
    async def hello(reader, writer):
        writer.write(b"hello")
        writer.close()

    async def run():
        later = unused()
        async with forwarding(Route(later)) as port:
            reader, _ = await asyncio.open_connection("127.0.0.1", port)
            await asyncio.sleep(0.2)
            upstream = await asyncio.start_server(hello, "127.0.0.1", later)
            assert await asyncio.wait_for(reader.read(), 2) == b"hello"
            upstream.close()

    asyncio.run(run())


def test_connection_is_ended_when_no_instance_comes(monkeypatch):
    monkeypatch.setattr(forwarder, "HOLD", 0.2)

    async def run():
        async with forwarding(Route()) as port:
            reader, _ = await asyncio.open_connection("127.0.0.1", port)
            with pytest.raises(ConnectionResetError):
                await asyncio.wait_for(reader.read(), 2)

    asyncio.run(run())


def test_instance_that_dies_while_it_answers_resets_the_client():
    async def run():
        async def die(reader, writer):
            await reader.read(1)
            writer.write(b"half an ans")
            await writer.drain()
            await asyncio.sleep(0.05)
            forwarder.reset(writer.transport)

        upstream = await asyncio.start_server(die, "127.0.0.1", 0)
        async with forwarding(Route(upstream.sockets[0].getsockname()[1])) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"x")
            with pytest.raises(ConnectionResetError):
                await asyncio.wait_for(reader.read(), 2)
        upstream.close()

    asyncio.run(run())


def test_reset_of_one_side_resets_the_other():
    async def run():
        closed = asyncio.Event()

        async def wait(reader, writer):
            with contextlib.suppress(ConnectionError):
                await reader.read()
            closed.set()

        upstream = await asyncio.start_server(wait, "127.0.0.1", 0)
        async with forwarding(Route(upstream.sockets[0].getsockname()[1])) as port:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"x")
            await asyncio.sleep(0.05)
            writer.transport.abort()
            await asyncio.wait_for(closed.wait(), 2)
        upstream.close()

    asyncio.run(run())


REQUEST = b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nb"


def response(body: bytes, *headers: bytes) -> bytes:
    return b"\r\n".join([b"HTTP/1.1 200 OK", *headers, b"", body])


def test_client_is_asked_to_leave_once_and_only_after_an_answer():
    one = Exchange()
    one.request(REQUEST)
    assert one.idle is False
    answer = one.response(response(b"ok", b"Content-Length: 2", b"Connection: keep-alive"), leave=True)
    assert answer == response(b"ok", b"Content-Length: 2", b"Connection: close")
    assert one.idle is True


@pytest.mark.parametrize(
    ("pieces", "idle"),
    [
        ([response(b"ok", b"Content-Length: 2")], [True]),
        ([response(b"", b"Content-Length: 4"), b"ab", b"cd"], [False, False, True]),
        ([response(b"2\r\nab\r\n", b"Transfer-Encoding: chunked"), b"0\r\n\r\n"], [False, True]),
        ([response(b"until the end"), b"more"], [False, False]),
        ([b"HTTP/1.1 204 No Content\r\n\r\n"], [True]),
        ([b"HTTP/1.1 100 Continue\r\n\r\n", response(b"", b"Content-Length: 0")], [False, True]),
    ],
)
def test_end_of_an_answer(pieces, idle):
    one = Exchange()
    one.request(REQUEST)
    seen = []
    for piece in pieces:
        assert one.response(piece, leave=False) == piece
        seen.append(one.idle)
    assert seen == idle


def test_answer_to_head_has_no_body():
    one = Exchange()
    one.request(b"HEAD / HTTP/1.1\r\n\r\n")
    one.response(response(b"", b"Content-Length: 100"), leave=False)
    assert one.idle is True


@pytest.mark.parametrize("first", [b"SSH-2.0-x\r\n", b"\x16\x03\x01", b"GET / HTTP/2\r\n"])
def test_what_is_not_http_is_left_alone(first):
    one = Exchange()
    one.request(first)
    assert one.http is False
    assert one.response(response(b"ok", b"Content-Length: 2"), leave=True) == response(b"ok", b"Content-Length: 2")


def test_upgraded_connection_is_left_alone():
    one = Exchange()
    one.request(b"GET /ws HTTP/1.1\r\nUpgrade: websocket\r\n\r\n")
    upgrade = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\r\n"
    assert one.response(upgrade, leave=True) == upgrade
    assert one.http is False


@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=60)), max_size=6))
def test_bytes_are_never_changed_for_a_client_that_may_stay(events):
    one = Exchange()
    for from_client, data in events:
        if from_client:
            one.request(data)
        else:
            assert one.response(data, leave=False) == data
