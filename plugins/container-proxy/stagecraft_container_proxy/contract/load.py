"""A client that loses no loss: it never tries again."""

from __future__ import annotations

import asyncio
import collections
import threading
import time

from stagecraft_container_proxy.contract.wire import body_of, head_of


class Load:
    """Send POSTs at a constant rate on kept-alive connections, never retrying, and count the answers and what was lost."""

    def __init__(self, address: str, port: int, rate: float = 200.0) -> None:
        self.address, self.port, self.rate = address, port, rate
        self.answers: collections.Counter[str] = collections.Counter()
        self.lost: collections.Counter[str] = collections.Counter()
        self._free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()))

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(60)

    @property
    def sent(self) -> int:
        return self.answers.total() + self.lost.total()

    async def _main(self) -> None:
        begun, tasks, count = time.monotonic(), set(), 0
        while not self._stop.is_set():
            tasks.add(asyncio.create_task(self._one()))
            count += 1
            await asyncio.sleep(max(0.0, begun + count / self.rate - time.monotonic()))
        await asyncio.gather(*tasks)
        for _, writer in self._free:
            writer.close()

    async def _one(self) -> None:
        try:
            async with asyncio.timeout(30):
                reader, writer = await self._connection()
                writer.write(b"POST /post HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 64\r\n\r\n" + b"x" * 64)
                first, headers = head_of(await reader.readuntil(b"\r\n\r\n"))
                body = (await body_of(reader, headers)).decode()
            if headers.get("connection", "").lower() == "close":
                writer.close()
            else:
                self._free.append((reader, writer))
            status = first.split()[1]
            if status == "200":
                self.answers[body.split()[0]] += 1
            else:
                self.lost[status] += 1
        except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
            self.lost[type(error).__name__] += 1

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Return a kept connection that the other side has not closed, as far as can be known, or a new one."""
        while self._free:
            reader, writer = self._free.pop()
            if not reader.at_eof():
                return reader, writer
            writer.close()
        return await asyncio.open_connection(self.address, self.port)
