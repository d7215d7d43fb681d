"""A TCP relay in front of an HTTP server that can lose an answer after the server has done its work."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Self


class LossyRelay:
    """Passes bytes both ways. ``lose(marker)``: the next request that holds ``marker`` reaches the server, and once the
    server answers, the connection is cut instead. ``mute(marker)``: the same, and the client is left waiting."""

    def __init__(self, port: int) -> None:
        self._server_port = port
        self._marker: bytes | None = None
        self._silent = False
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.lost = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def lose(self, marker: bytes) -> None:
        self._marker, self._silent = marker, False

    def mute(self, marker: bytes) -> None:
        self._marker, self._silent = marker, True

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            with suppress(asyncio.CancelledError):  # the relay is being closed
                await self._relay(reader, writer)
        finally:
            writer.close()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._server_port)
            cut = asyncio.Event()
            back = asyncio.create_task(self._back(up_reader, writer, cut))
            try:
                while data := await reader.read(65536):
                    if self._marker is not None and self._marker in data:
                        self._marker = None
                        cut.set()
                    up_writer.write(data)
                    await up_writer.drain()
            finally:
                up_writer.close()
                back.cancel()
                await asyncio.wait([back])

    async def _back(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, cut: asyncio.Event) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                if cut.is_set():
                    self.lost += 1
                    if not self._silent:
                        writer.transport.abort()
                    return
                writer.write(data)
                await writer.drain()
        writer.close()
