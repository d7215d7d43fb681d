"""Holds reach what they block: a hold is first recorded for itself, then on the order or load.

`apply` is called before a hold is answered for, and again for every hold event, so that a crash between the two
records is mended.
"""

from __future__ import annotations

from gladhand.bus.port import Delivery
from gladhand.envelope import EnvelopeType
from logistics.exception.v1 import Hold, HoldEvent, HoldState
from logistics.load.v1 import ApplyLoadHold, LiftLoadHold
from logistics.order.v1 import ApplyOrderHold, LiftOrderHold
from services.orchestrator.deciders import hold
from services.orchestrator.journal import Cause, Journal

FILTERS = ("logistics.hold.>",)


class HoldRipple:
    """Keeps orders and loads in step with their holds."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def handle(self, delivery: Delivery) -> None:
        """Bring the subject of a hold event in step. Raises what the log raises."""
        event = EnvelopeType.of(HoldEvent).decode(delivery.payload)
        found = (await self._journal.find(hold.DECIDER, event.hold_id)).state.hold
        if found is not None:
            await self.apply(found, Cause(request_id=event.event_id, event_id=event.event_id, region=event.region))

    async def apply(self, found: Hold, cause: Cause) -> None:
        """Let a hold block, or no longer block, what it stands on; nothing happens where it already is so."""
        active = found.state == HoldState.HOLD_STATE_ACTIVE
        step = cause.step("apply" if active else "lift", found.hold_id)
        if found.order_id:
            order_wish = (
                ApplyOrderHold(hold_id=found.hold_id, gates=found.gates)
                if active
                else LiftOrderHold(hold_id=found.hold_id)
            )
            await self._journal.order(found.order_id, order_wish, step)
        if found.load_id:
            load_wish = (
                ApplyLoadHold(hold_id=found.hold_id, gates=found.gates)
                if active
                else LiftLoadHold(hold_id=found.hold_id)
            )
            await self._journal.load(found.load_id, load_wish, step)
