"""Reads a stream ahead of the projector, so that while one batch is written the next one comes in."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import aclosing, suppress
from types import TracebackType
from typing import Self

from gladhand.log.port import EventStore, StoredMessage

_AHEAD = 2000
"""Messages that are read ahead of what is written."""


class Intake:
    """The messages of a stream from some sequence on, in batches. Use it as a context manager."""

    def __init__(self, store: EventStore, stream: str, start: int) -> None:
        self._store = store
        self._stream = stream
        self._start = start
        self._read: deque[StoredMessage] = deque()
        self._filled = asyncio.Event()
        self._room = asyncio.Event()
        self._reader: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._reader = asyncio.create_task(self._pump(), name=f"intake {self._stream}")
        self._reader.add_done_callback(lambda _: self.wake())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.wait({self._reader})

    def wake(self) -> None:
        """Let a waiting `take` return with what there is."""
        self._filled.set()

    async def take(self, most: int, within: float) -> list[StoredMessage]:
        """Return up to `most` messages, at once where some are there; empty after `within` seconds or a wake.

        Nothing is held back to fill a batch: under load batches grow by themselves, since messages gather while the
        batch before is written. Raises what reading the stream raises.
        """
        if not self._read:
            self._filled.clear()
            self._room.set()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._filled.wait(), within)
        if not self._read and self._reader is not None and self._reader.done():
            self._reader.result()
        taken = [self._read.popleft() for _ in range(min(most, len(self._read)))]
        if len(self._read) < _AHEAD:
            self._room.set()
        return taken

    async def _pump(self) -> None:
        async with aclosing(self._store.read_all(self._stream, start=self._start, follow=True)) as messages:
            async for message in messages:
                self._read.append(message)
                self._filled.set()
                if len(self._read) >= _AHEAD:
                    self._room.clear()
                    await self._room.wait()
        raise RuntimeError(f"{self._stream} ended, although a followed stream has no end")
