"""One warped clock for all services of a local mesh, so that a demonstration's hours take seconds.

Production reads the machine's clock. Here everybody adds the same offset, kept in bucket CLOCK under `offset_ms`; it
only ever grows.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager, suppress
from datetime import datetime, timedelta

from gladhand.bus.port import AlreadyTaken, Bus, KeyValue
from gladhand.clock import Clock, WarpClock
from gladhand.errors import Conflict, GladhandError, Unavailable

_log = logging.getLogger(__name__)

_BUCKET = "CLOCK"
_KEY = "offset_ms"
_ATTEMPTS = 20
_PAUSE_S = 0.5


class MeshClock(WarpClock):
    """A warped clock that follows the mesh's offset live, within `following`."""

    def __init__(self, base: Clock | None = None) -> None:
        super().__init__(base)
        self._bucket: KeyValue | None = None
        self._bus: Bus | None = None

    @asynccontextmanager
    async def following(self, bus: Bus) -> AsyncGenerator[MeshClock]:
        """Follow the mesh's offset while the block runs; within it the clock already shows mesh time.

        Make the clock first, the bus with it, then follow: the bus's timers read the offset from the clock.
        """
        self._bus, self._bucket = bus, await bus.key_value(_BUCKET)
        entry = await self._bucket.get(_KEY)
        if entry is not None:
            self._take(entry.value)
        watcher = asyncio.create_task(self._watch(self._bucket))
        try:
            yield self
        finally:
            watcher.cancel()
            with suppress(asyncio.CancelledError):
                await watcher

    async def advance_to(self, moment: datetime) -> datetime:
        """Make `moment` the present for the whole mesh, and bring its timers along; return the present after it.

        A past moment changes nothing. Costs a write to the bucket and one for each pending timer. Raises Unavailable,
        Conflict where many advance at once.
        """
        if self._bucket is None or self._bus is None:
            raise Unavailable("the clock follows no mesh yet")
        for _ in range(_ATTEMPTS):
            entry = await self._bucket.get(_KEY)
            if entry is not None:
                self._take(entry.value)
            wanted = self.offset_for(moment)
            if wanted <= self.offset:
                return self.now()
            value = str(-(-wanted // timedelta(milliseconds=1))).encode()
            try:
                if entry is None:
                    await self._bucket.create(_KEY, value)
                else:
                    await self._bucket.update(_KEY, value, entry.revision)
            except AlreadyTaken:
                continue
            self._take(value)
            await self._bus.timers.realign()
            return self.now()
        raise Conflict("others keep advancing the mesh's clock")

    def _take(self, value: bytes) -> None:
        self.grow_to(timedelta(milliseconds=int(value)))

    async def _watch(self, bucket: KeyValue) -> None:
        while True:
            try:
                async with aclosing(bucket.watch(_KEY)) as changes:
                    async for entry in changes:
                        if entry is not None and not entry.deleted:
                            self._take(entry.value)
            except GladhandError as error:
                _log.warning("the mesh's clock cannot be followed: %s", error)
                await asyncio.sleep(_PAUSE_S)
