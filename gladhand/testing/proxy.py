"""A TCP proxy that breaks connections on demand: partitions in either direction, and resets."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Self

_CHUNK = 65536


class FaultProxy:
    """Stands between a client and `host:port`; use as async context manager.

    `hold` keeps bytes of one or both directions back without closing anything, as a partition does; `release` lets
    them through. `reset` aborts every connection at once.
    """

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._server: asyncio.Server | None = None
        self._open = {"up": asyncio.Event(), "down": asyncio.Event()}
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0
        self.held = 0
        """How many chunks have been held back so far."""
        self.release()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
        self.reset()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def hold(self, *, up: bool = True, down: bool = True) -> None:
        """Hold back what the client sends (`up`), what the server answers (`down`), or both."""
        for name, wanted in (("up", up), ("down", down)):
            if wanted:
                self._open[name].clear()

    def release(self) -> None:
        """Let everything through again, what was held back first."""
        for gate in self._open.values():
            gate.set()

    def reset(self) -> None:
        """Abort every connection."""
        for writer in list(self._writers):
            writer.transport.abort()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            upstream, upwriter = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        pair = {writer, upwriter}
        self._writers |= pair
        pumps = [
            asyncio.create_task(self._pump("up", reader, upwriter)),
            asyncio.create_task(self._pump("down", upstream, writer)),
        ]
        self._tasks.update(pumps)
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            self._tasks.difference_update(pumps)
            self._writers -= pair
            for each in pair:
                each.transport.abort()

    async def _pump(self, direction: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        gate = self._open[direction]
        with suppress(OSError):
            while chunk := await reader.read(_CHUNK):
                if not gate.is_set():
                    self.held += 1
                    await gate.wait()
                writer.write(chunk)
                await writer.drain()
