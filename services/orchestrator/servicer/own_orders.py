"""Which orders in the log are a party's own: the log's subjects name the order, and not whose it is."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from gladhand.errors import NotFound
from gladhand.security.principal import Party
from logistics.order.v1 import Order, OrderEvent
from services.orchestrator.deciders import order
from services.orchestrator.journal import Journal
from services.orchestrator.parties import parties_of

_REMEMBERED: Final = 10_000
_WHOLE: Final = ("drafted", "received", "amended")
"""Events that carry the whole order, and so say whose it is from then on."""


class OwnOrders:
    """Tells the orders of one party from all others, for one watcher."""

    def __init__(self, journal: Journal, party: Party) -> None:
        self._journal = journal
        self._party = party
        self._known: OrderedDict[str, bool] = OrderedDict()

    async def check(self, order_id: str) -> None:
        """Raise NotFound for an order that is not the party's, as for one that never was."""
        if not await self._is_own(order_id):
            raise NotFound("order", order_id, reason="ORDER_NOT_FOUND")

    async def holds(self, event: OrderEvent) -> bool:
        """Whether an event belongs to an order that is the party's own at that event."""
        body = event.WhichOneof("body")
        if body in _WHOLE:
            whole: Order = getattr(event, body).order
            return self._remember(event.order_id, own=self._party in parties_of(whole))
        return await self._is_own(event.order_id)

    async def _is_own(self, order_id: str) -> bool:
        known = self._known.get(order_id)
        if known is not None:
            return known
        found = (await self._journal.find(order.DECIDER, order_id)).state.order
        return self._remember(order_id, own=found is not None and self._party in parties_of(found))

    def _remember(self, order_id: str, *, own: bool) -> bool:
        self._known[order_id] = own
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return own
