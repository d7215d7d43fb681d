"""What happens to a load happens to the orders on it: load events become order commands.

Every command is idempotent by business key, so an event may come any number of times.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from datetime import UTC
from typing import TypeAlias

from gladhand import ids
from gladhand.bus.port import Delivery
from gladhand.decider import Rejected
from gladhand.envelope import EnvelopeType
from logistics.exception.v1 import ExceptionKind
from logistics.load.v1 import Load, LoadEvent, Stop, StopKind, StopTask
from logistics.order.v1 import (
    LineMovement,
    OrderCancelReversed,
    OrderState,
    PlanOrder,
    RecordOrderDelivery,
    RecordOrderDispatch,
    RecordOrderPickup,
    RecordOrderReturn,
    RetractOrderDelivery,
    UnlayDisposition,
    UnplanOrder,
)
from services.orchestrator.deciders import load, order
from services.orchestrator.exceptions import exception_id_of, open_exception, settle_exception
from services.orchestrator.journal import Cause, Journal
from services.orchestrator.phases.undoing import remedy, used
from services.orchestrator.processes.retractions import Retractions
from services.orchestrator.processes.returning import came_back, fallen_off
from services.orchestrator.quantities import is_zero
from services.orchestrator.riding import delivery_stops, lines_on, orders_on, stop_of, tasks_by_order

log = logging.getLogger(__name__)

FILTERS = tuple(
    f"logistics.load.*.*.{token}"
    for token in (
        "planned", "dispatched", "stop_completed", "stop_departed", "replanned", "cancelled", "stop_fact_noted",
        "stop_fact_retracted",
    )
)  # fmt: skip


Wish: TypeAlias = (
    PlanOrder
    | UnplanOrder
    | RecordOrderDispatch
    | RecordOrderPickup
    | RecordOrderDelivery
    | RecordOrderReturn
    | RetractOrderDelivery
    | UnlayDisposition
)
"""What the event of a load asks of an order."""


class LoadRipple:
    """Hands the events of loads on to their orders."""

    def __init__(self, journal: Journal, on_left: Callable[[str, str], Awaitable[object]] | None = None) -> None:
        """`on_left` is told an order whose stops a load lost, and the event behind it."""
        self._journal = journal
        self._on_left = on_left or _nobody
        self._retractions = Retractions(journal)

    async def handle(self, delivery: Delivery) -> None:
        """Hand on one load event. Raises what the log raises."""
        event = EnvelopeType.of(LoadEvent).decode(delivery.payload)
        found = (await self._journal.find(load.DECIDER, event.load_id)).state.load
        if found is None:
            return
        match event.WhichOneof("body"):
            case "planned":
                await self._planned(found, event)
            case "dispatched":
                await self._dispatched(found, event)
            case "stop_departed":
                await self._departed(stop_of(found, event.stop_departed.stop_id), found, event)
            case "stop_completed":
                await self._completed(stop_of(found, event.stop_completed.stop_id), found, event)
            case "replanned" | "cancelled":
                await self._unplanned(found, event)
            case "stop_fact_retracted":
                await self._refolded(found, event, event.stop_fact_retracted.stop_id)
            case "stop_fact_noted":
                await self._refolded(found, event, event.stop_fact_noted.stop_id)
            case _:
                return

    async def _planned(self, found: Load, event: LoadEvent) -> None:
        # An order that has left the load again meanwhile needs to hear of neither.
        for order_id in orders_on(found):
            wish = PlanOrder(load_id=event.load_id, line_ids=lines_on(found, order_id))
            wish.stop_ids.extend(delivery_stops(found, order_id))
            await self._tell(order_id, wish, event)

    async def _dispatched(self, found: Load, event: LoadEvent) -> None:
        vehicle = found.assignments[-1].vehicle_id if found.assignments else ""
        for order_id in orders_on(found):
            wish = RecordOrderDispatch(
                load_id=event.load_id,
                vehicle_id=vehicle,
                dispatch_reference=event.dispatched.dispatch_reference,
            )
            await self._tell(order_id, wish, event)

    async def _departed(self, stop: Stop | None, found: Load, event: LoadEvent) -> None:
        if stop is None or stop.kind == StopKind.STOP_KIND_DELIVERY:
            return
        if stop.disposition_id:
            return
        for order_id, tasks in tasks_by_order(stop).items():
            await self._tell(order_id, _pickup(found.load_id, stop.stop_id, tasks), event)

    async def _completed(self, stop: Stop | None, found: Load, event: LoadEvent) -> None:
        if stop is None or stop.kind != StopKind.STOP_KIND_DELIVERY:
            return
        if not any(task.HasField("accepted") for task in stop.tasks):
            # It was taken back meanwhile: the event of that tells the orders.
            return
        reason = event.stop_completed.reason
        for order_id, tasks in tasks_by_order(stop).items():
            if stop.returns:
                await self._tell(order_id, came_back(found.load_id, stop, tasks, event.stop_completed.pod_id), event)
                continue
            await self._pickup_first(order_id, found, event)
            await self._tell(order_id, _outcome(found, stop, tasks, event.stop_completed.pod_id, reason), event)
        if event.stop_completed.pod_id:
            missed = exception_id_of(ExceptionKind.EXCEPTION_KIND_POD_MISSING, stop.stop_id)
            await settle_exception(self._journal, missed, "PROVED", "the proof has come", self._cause(event, "proved"))

    async def _refolded(self, found: Load, event: LoadEvent, stop_id: str) -> None:
        """Let the orders of a stop follow what the words that remain make of it."""
        await self._retractions.follow(found, event, stop_id)
        stop = stop_of(found, stop_id)
        if stop is None or stop.kind != StopKind.STOP_KIND_DELIVERY:
            return
        counting = stop.pod_ids[-1] if stop.pod_ids else ""
        for order_id, tasks in tasks_by_order(stop).items():
            if not any(task.HasField("accepted") for task in tasks):
                continue
            state = (await self._journal.find(order.DECIDER, order_id)).state
            known = state.deliveries.get((found.load_id, stop_id))
            if known is not None and known.pod_id != counting:
                # Another word counts now; an unproved one would not displace a proof, so that goes first.
                gone = RetractOrderDelivery(load_id=found.load_id, stop_id=stop_id, reason="another word counts")
                await self._tell(order_id, gone, event, "displaced")
                await self._tell(order_id, _outcome(found, stop, tasks, counting, stop.reason), event, "refolded")

    async def _pickup_first(self, order_id: str, found: Load, event: LoadEvent) -> None:
        """Goods that were delivered were picked up, even where nobody saw the vehicle leave."""
        state = (await self._journal.find(order.DECIDER, order_id)).state.order
        if state is None or state.state != OrderState.ORDER_STATE_DISPATCHED:
            return
        for stop in found.stops:
            tasks = tasks_by_order(stop).get(order_id) if stop.kind == StopKind.STOP_KIND_PICKUP else None
            if tasks:
                await self._tell(order_id, _pickup(found.load_id, stop.stop_id, tasks), event, "inferred_pickup")

    async def _unplanned(self, found: Load, event: LoadEvent) -> None:
        riding = set() if event.WhichOneof("body") == "cancelled" else set(orders_on(found))
        reason = event.cancelled.reason or event.replanned.reason
        for order_id in sorted(set(found.order_ids)):
            state = (await self._journal.find(order.DECIDER, order_id)).state.order
            if state is None or found.load_id not in state.load_ids:
                continue
            for wish in fallen_off(state, found, reason):
                await self._tell(order_id, wish, event, wish.disposition_id)
            if order_id not in riding:
                await self._tell(order_id, UnplanOrder(load_id=found.load_id, reason=reason), event)
                await self._on_left(order_id, event.event_id)

    def _cause(self, event: LoadEvent, *step: str) -> Cause:
        return Cause(
            request_id=ids.derive(event.event_id, *step),
            event_id=event.event_id,
            region=event.region,
            occur_time=event.occur_time.ToDatetime(tzinfo=UTC),
        )

    async def _tell(
        self,
        order_id: str,
        wish: Wish,
        event: LoadEvent,
        step: str = "",
    ) -> None:
        cause = self._cause(event, order_id, step)
        try:
            outcome = await self._journal.order(order_id, wish, cause)
            if outcome.event is not None and outcome.event.WhichOneof("body") == "cancel_reversed":
                # The fact came before the cancelling: that is taken back first, then the fact is recorded.
                await self._journal.order(order_id, wish, cause.step("after reversal"))
                await self._overtaken(order_id, outcome.event.cancel_reversed, event, cause)
        except Rejected as refusal:
            log.warning("order %s refused %s: %s", order_id, wish.DESCRIPTOR.name, refusal.message)
            if isinstance(wish, UnplanOrder):
                return
            kind = ExceptionKind.EXCEPTION_KIND_SEQUENCE_CONFLICT
            message = f"{wish.DESCRIPTOR.name} contradicts what the order has recorded: {refusal.message}"
            shown = (await self._journal.find(order.DECIDER, order_id)).state.order
            delivery = isinstance(wish, RecordOrderDelivery | RetractOrderDelivery)
            if shown is not None and delivery and used(shown):
                kind = ExceptionKind.EXCEPTION_KIND_RETRACTED_AFTER_USE
                message = f"A delivery turned out otherwise after it was billed. {remedy(shown)}"
            await open_exception(
                self._journal,
                kind,
                message,
                cause,
                subject_id=event.event_id,
                detail=order_id,
                order_id=order_id,
                load_id=event.load_id,
                evidence=(event.event_id,),
            )

    async def _overtaken(self, order_id: str, reversal: OrderCancelReversed, event: LoadEvent, cause: Cause) -> None:
        """Tell people of a cancelling that the road had overtaken (domain reference 3.1, the race)."""
        back = " They travel back." if reversal.turns_back else ""
        await open_exception(
            self._journal,
            ExceptionKind.EXCEPTION_KIND_SEQUENCE_CONFLICT,
            f"The cancelling came too late: {reversal.reason}.{back} Tell whoever cancelled it.",
            cause,
            subject_id=order_id,
            detail="cancel_reversed",
            order_id=order_id,
            load_id=event.load_id,
            evidence=(event.event_id,),
        )


async def _nobody(_order_id: str, _event_id: str) -> None:
    pass


def _pickup(load_id: str, stop_id: str, tasks: list[StopTask]) -> RecordOrderPickup:
    lines = [
        LineMovement(line_id=task.line_id, quantity=task.actual if task.HasField("actual") else task.expected)
        for task in tasks
    ]
    return RecordOrderPickup(load_id=load_id, stop_id=stop_id, lines=lines)


def _outcome(found: Load, stop: Stop, tasks: list[StopTask], pod_id: str, reason: str) -> RecordOrderDelivery:
    return RecordOrderDelivery(
        load_id=found.load_id,
        stop_id=stop.stop_id,
        pod_id=pod_id,
        proof_verified=bool(pod_id),
        lines=[_delivered(task, reason) for task in tasks],
    )


def _delivered(task: StopTask, reason: str) -> LineMovement:
    return LineMovement(
        line_id=task.line_id,
        quantity=task.actual,
        accepted=task.accepted,
        rejected=task.rejected,
        reason=(task.reason or reason) if not is_zero(task.rejected) else "",
    )
