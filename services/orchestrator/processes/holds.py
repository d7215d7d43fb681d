"""Holds reach what they block: a hold is first recorded for itself, then on the order or load.

`apply` is called before a hold is answered for, and again for every hold event, so that a crash between the two
records is mended.
"""

from __future__ import annotations

from datetime import UTC

from gladhand import ids
from gladhand.bus.port import Bus, Delivery
from gladhand.bus.timers import due_of
from gladhand.envelope import EnvelopeType
from logistics.exception.v1 import ExpireHold, Hold, HoldEvent, HoldState
from logistics.load.v1 import ApplyLoadHold, LiftLoadHold
from logistics.order.v1 import ApplyOrderHold, LiftOrderHold
from services.orchestrator.deciders import hold
from services.orchestrator.journal import Cause, Journal

FILTERS = ("logistics.hold.>",)

TIMER = "hold"
"""Kind of the durable timers that end holds; the key is the hold's id."""


class HoldRipple:
    """Keeps orders and loads in step with their holds."""

    def __init__(self, journal: Journal, bus: Bus) -> None:
        self._journal = journal
        self._bus = bus

    async def expire(self, delivery: Delivery) -> None:
        """End the hold of a timer that fired."""
        due = due_of(delivery)
        cause = Cause(request_id=ids.derive(due.key, "expire"))
        await self._journal.hold(due.key, ExpireHold(), cause)

    async def handle(self, delivery: Delivery) -> None:
        """Bring the subject of a hold event in step, and set the timer of its end. Raises what the log raises."""
        event = EnvelopeType.of(HoldEvent).decode(delivery.payload)
        found = (await self._journal.find(hold.DECIDER, event.hold_id)).state.hold
        if found is not None:
            if found.state == HoldState.HOLD_STATE_ACTIVE and found.HasField("expire_time"):
                await self._bus.timers.set(TIMER, found.hold_id, found.expire_time.ToDatetime(tzinfo=UTC))
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
