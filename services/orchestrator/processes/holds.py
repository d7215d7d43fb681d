"""Holds reach what they block: a hold is first recorded for itself, then on the order or load.

`apply` is called before a hold is answered for, and again for every hold event, so that a crash between the two
records is mended.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import UTC

from gladhand import ids
from gladhand.bus.port import Bus, Delivery
from gladhand.bus.timers import due_of
from gladhand.envelope import EnvelopeType
from logistics.exception.v1 import ExpireHold, Gate, Hold, HoldEvent, HoldState, SetHold
from logistics.load.v1 import ApplyLoadHold, LiftLoadHold, Load, Stop
from logistics.order.v1 import ApplyOrderHold, LiftOrderHold
from services.orchestrator.blocking import (
    Subject,
    blocks,
    hold_rule,
    load_hold_counts,
    order_hold_counts,
    release_scope,
    standing,
)
from services.orchestrator.deciders import hold, load, order
from services.orchestrator.journal import Cause, Journal
from services.orchestrator.riding import orders_on, stop_of

FILTERS = ("logistics.hold.>",)

TIMER = "hold"
"""Kind of the durable timers that end holds; the key is the hold's id."""


class HoldRipple:
    """Keeps orders and loads in step with their holds."""

    def __init__(self, journal: Journal, bus: Bus, wake: Callable[[str, str], Awaitable[object]]) -> None:
        """`wake` drives an order, named with the event behind it, when a hold of its load is over."""
        self._journal = journal
        self._bus = bus
        self._wake = wake

    async def place(self, wanted: Hold, cause: Cause) -> tuple[Hold | None, int]:
        """Place a hold and let it block; return it and its version.

        The policy says whether four eyes are needed, whatever the wish says; a wish may only ask for more.
        """
        policy = await self._journal.policy_of(wanted.order_id, wanted.region)
        placed = Hold()
        placed.CopyFrom(wanted)
        placed.four_eyes = wanted.four_eyes or hold_rule(policy, wanted.kind).four_eyes
        outcome = await self._journal.hold(placed.hold_id, SetHold(hold=placed), cause)
        if outcome.state.hold is not None:
            await self.apply(outcome.state.hold, cause)
        return outcome.state.hold, outcome.version

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
            if found.state != HoldState.HOLD_STATE_ACTIVE and found.load_id:
                await self._wake_orders(found.load_id, event.event_id)

    async def _wake_orders(self, load_id: str, event_id: str) -> None:
        """Drive the orders on a load, which hear nothing of its holds otherwise."""
        carried = (await self._journal.find(load.DECIDER, load_id)).state.load
        for order_id in orders_on(carried) if carried is not None else ():
            await self._wake(order_id, event_id)

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


@dataclass(frozen=True, slots=True)
class Blocking:
    """One hold that blocks a gate, and who may end that."""

    hold: Hold
    stands_on: str
    release_scope: str
    not_by: str
    """Who placed it, where another one must release it; empty where anybody with the scope may."""


class Blocks:
    """Tells what blocks a gate. It reads the aggregates themselves: what was just placed counts."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def blocked_by(self, subject: Subject, gate: Gate.ValueType) -> list[Blocking]:
        """Return the active holds on a subject and on all above and below it that count at a gate, oldest first."""
        found: dict[str, Blocking] = {}
        for each in [*await self._of_orders(subject, gate), *await self._of_loads(subject, gate)]:
            policy = await self._journal.policy_of(each.order_id, each.region)
            not_by = each.placed_by if each.four_eyes else ""
            found[each.hold_id] = Blocking(each, standing(each), release_scope(policy, each.kind), not_by)
        return sorted(found.values(), key=lambda one: (one.hold.create_time.ToNanoseconds(), one.hold.hold_id))

    async def at_stop(self, carried: Load, stop: Stop) -> list[Hold]:
        """Return the holds that block handing over at a stop."""
        subject = Subject(load_id=carried.load_id, stop_id=stop.stop_id)
        return [one.hold for one in await self.blocked_by(subject, Gate.GATE_DELIVERY)]

    async def of_loads(self, order_id: str, gate: Gate.ValueType) -> list[str]:
        """Return the ids of the holds on loads of an order that count for it at a gate, sorted."""
        return sorted(each.hold_id for each in await self._of_loads(Subject(order_id=order_id), gate))

    async def _of_orders(self, subject: Subject, gate: Gate.ValueType) -> list[Hold]:
        stop, order_ids = None, [subject.order_id]
        if not subject.order_id:
            carried = (await self._journal.find(load.DECIDER, subject.load_id)).state.load
            stop = stop_of(carried, subject.stop_id) if carried is not None and subject.stop_id else None
            tasks = stop.tasks if stop is not None else ()
            whole = orders_on(carried) if carried is not None else []
            order_ids = list(dict.fromkeys(task.order_id for task in tasks)) if subject.stop_id else whole
        holds: list[Hold] = []
        for order_id in order_ids:
            state = (await self._journal.find(order.DECIDER, order_id)).state
            for each in await self._found(i for i, gates in state.holds.items() if blocks(gates, gate)):
                holds += [each] if order_hold_counts(each, gate, subject, stop) else []
        return holds

    async def _of_loads(self, subject: Subject, gate: Gate.ValueType) -> list[Hold]:
        load_ids = [subject.load_id]
        if subject.order_id:
            riding = (await self._journal.find(order.DECIDER, subject.order_id)).state.order
            load_ids = list(riding.load_ids) if riding is not None else []
        holds: list[Hold] = []
        for load_id in load_ids:
            state = (await self._journal.find(load.DECIDER, load_id)).state
            if state.load is None or not state.holds:
                continue
            for each in await self._found(i for i, gates in state.holds.items() if blocks(gates, gate)):
                holds += [each] if load_hold_counts(each, gate, subject, state.load) else []
        return holds

    async def _found(self, hold_ids: Iterable[str]) -> list[Hold]:
        found = [(await self._journal.find(hold.DECIDER, hold_id)).state.hold for hold_id in hold_ids]
        return [each for each in found if each is not None and each.state == HoldState.HOLD_STATE_ACTIVE]
