"""The watchdog calls what a lost timer or a forgotten message would have called: it costs time, never an order."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Protocol

from gladhand.clock import Clock
from gladhand.errors import GladhandError
from services.orchestrator.processes.fulfilment import FulfilmentDriver
from services.orchestrator.processes.haulage import HaulageDriver
from services.orchestrator.processes.planning import Planning

log = logging.getLogger(__name__)

_BATCH = 200


class OpenWork(Protocol):
    """Where the watchdog learns what is not finished."""

    async def open_orders(self, unchanged_since: datetime, limit: int, skip: int = 0) -> list[str]:
        """Return orders that have a way to go and did not change since, oldest first; `skip` are passed over."""
        ...

    async def open_loads(self, unchanged_since: datetime, limit: int, skip: int = 0) -> list[str]:
        """Return loads that have a way to go and did not change since, oldest first; `skip` are passed over."""
        ...

    async def waiting_regions(self) -> list[str]:
        """Return the regions in which released orders wait."""
        ...


class Watchdog:
    """Drives whatever stood still for a while."""

    def __init__(
        self,
        open_work: OpenWork,
        fulfilment: FulfilmentDriver,
        haulage: HaulageDriver,
        planning: Planning,
        clock: Clock,
        *,
        every: timedelta = timedelta(seconds=10),
        patience: timedelta = timedelta(seconds=15),
        further: Sequence[Callable[[], Awaitable[None]]] = (),
    ) -> None:
        """`further`: what else is looked after in every round, each by itself."""
        self._open_work = open_work
        self._fulfilment = fulfilment
        self._haulage = haulage
        self._planning = planning
        self._clock = clock
        self._every = every
        self._patience = patience
        self._further = further
        # Most of what stands still only waits for the road: each look goes on where the last one ended.
        self._orders_seen = 0
        self._loads_seen = 0

    async def run(self, stopping: asyncio.Event) -> None:
        """Look again and again until `stopping` is set. A failing round is logged; the next one tries again."""
        while not stopping.is_set():
            try:
                await self.look()
            except GladhandError as error:
                log.warning("the watchdog could not look: %s", error.message)
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), self._every.total_seconds())

    async def look(self) -> None:
        """Drive every order and load that stood still for longer than the patience, and plan what waits.

        One that cannot be driven now does not hold up the others. Raises what the read model raises.
        """
        since = self._clock.now() - self._patience
        orders = await self._open_work.open_orders(since, _BATCH, self._orders_seen)
        self._orders_seen = self._orders_seen + _BATCH if len(orders) == _BATCH else 0
        for order_id in orders:
            await _try("order", order_id, self._fulfilment.drive(order_id))
        loads = await self._open_work.open_loads(since, _BATCH, self._loads_seen)
        self._loads_seen = self._loads_seen + _BATCH if len(loads) == _BATCH else 0
        for load_id in loads:
            await _try("load", load_id, self._haulage.drive(load_id))
        for region in await self._open_work.waiting_regions():
            await _try("region", region, self._planning.wake(region))
        for look in self._further:
            await _try("further", "work", look())


async def _try(noun: str, name: str, drive: Awaitable[object]) -> None:
    try:
        await drive
    except GladhandError as error:
        log.warning("%s %s could not be driven: %s", noun, name, error.message)
    except Exception:
        # One that breaks its driver must not end the watch over all others.
        log.exception("%s %s breaks its driver", noun, name)
