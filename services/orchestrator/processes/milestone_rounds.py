"""Rounds over everything that is still on its way, for the deadlines whose timers were lost."""

from __future__ import annotations

import logging
from collections.abc import Awaitable
from datetime import timedelta

from gladhand.errors import GladhandError
from logistics.load.v1 import LoadState
from services.orchestrator.journal import Journal
from services.orchestrator.processes.fulfilment import FulfilmentDriver
from services.orchestrator.processes.milestones import MilestoneWatch
from services.orchestrator.processes.watchdog import OpenWork

log = logging.getLogger(__name__)

_BATCH = 200
_PATIENCE = timedelta(seconds=15)


class MilestoneRounds:
    """Looks at a batch of loads and orders in every round, and goes on where the last one ended."""

    def __init__(
        self, journal: Journal, open_work: OpenWork, watching: MilestoneWatch, fulfilment: FulfilmentDriver
    ) -> None:
        self._journal = journal
        self._open_work = open_work
        self._watching = watching
        self._fulfilment = fulfilment
        self._orders_seen = 0
        self._loads_seen = 0

    async def look_all(self) -> None:
        """Look at what stood still for a while; one that cannot be looked at holds up nobody. Raises Unavailable."""
        since = self._journal.now() - _PATIENCE
        loads = await self._open_work.open_loads(since, _BATCH, self._loads_seen)
        self._loads_seen = self._loads_seen + _BATCH if len(loads) == _BATCH else 0
        for load_id in loads:
            await _try(load_id, self._watching.look_at_load(load_id))
        orders = await self._open_work.open_orders(since, _BATCH, self._orders_seen)
        self._orders_seen = self._orders_seen + _BATCH if len(orders) == _BATCH else 0
        for order_id in orders:
            await _try(order_id, self._look_at_order(order_id))

    async def _look_at_order(self, order_id: str) -> None:
        """Look at an order's reviews, and at its ended loads: one that came to its end may still wait for a proof."""
        await self._watching.look_at_order(order_id)
        situation = await self._fulfilment.situation(order_id)
        for found in situation.loads if situation is not None else ():
            if found.state == LoadState.LOAD_STATE_COMPLETED:
                await self._watching.look_at_load(found.load_id)


async def _try(name: str, look: Awaitable[None]) -> None:
    try:
        await look
    except GladhandError as error:
        log.warning("the milestones of %s could not be looked at: %s", name, error.message)
