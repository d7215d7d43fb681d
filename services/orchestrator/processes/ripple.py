"""What happens to a load happens to the orders on it: load events become order commands.

Every command is idempotent by business key, so an event may come any number of times.
"""

from __future__ import annotations

import logging
from datetime import UTC

from gladhand import ids
from gladhand.bus.port import Delivery
from gladhand.decider import Rejected
from gladhand.envelope import EnvelopeType
from logistics.exception.v1 import ExceptionKind
from logistics.load.v1 import Load, LoadEvent, Stop, StopKind, StopTask
from logistics.order.v1 import (
    LineMovement,
    OrderState,
    PlanOrder,
    RecordOrderDelivery,
    RecordOrderDispatch,
    RecordOrderPickup,
    UnplanOrder,
)
from services.orchestrator.deciders import load, order
from services.orchestrator.exceptions import exception_id_of, open_exception, settle_exception
from services.orchestrator.journal import Cause, Journal
from services.orchestrator.riding import delivery_stops, lines_on, orders_on, stop_of, tasks_by_order

log = logging.getLogger(__name__)

FILTERS = tuple(
    f"logistics.load.*.*.{token}"
    for token in ("planned", "dispatched", "stop_completed", "stop_departed", "replanned", "cancelled")
)


class LoadRipple:
    """Hands the events of loads on to their orders."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

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
        if stop is None:
            return
        if stop.kind == StopKind.STOP_KIND_DELIVERY:
            await self._proof_missing(stop, found, event)
            return
        for order_id, tasks in tasks_by_order(stop).items():
            await self._tell(order_id, _pickup(found.load_id, stop.stop_id, tasks), event)

    async def _completed(self, stop: Stop | None, found: Load, event: LoadEvent) -> None:
        if stop is None or stop.kind != StopKind.STOP_KIND_DELIVERY:
            return
        reason = event.stop_completed.reason
        for order_id, tasks in tasks_by_order(stop).items():
            await self._pickup_first(order_id, found, event)
            wish = RecordOrderDelivery(
                load_id=found.load_id,
                stop_id=stop.stop_id,
                pod_id=event.stop_completed.pod_id,
                proof_verified=bool(event.stop_completed.pod_id),
                lines=[_delivered(task, reason) for task in tasks],
            )
            await self._tell(order_id, wish, event)
        if event.stop_completed.pod_id:
            missed = exception_id_of(ExceptionKind.EXCEPTION_KIND_POD_MISSING, stop.stop_id)
            await settle_exception(self._journal, missed, "PROVED", "the proof has come", self._cause(event, "proved"))

    async def _proof_missing(self, stop: Stop, found: Load, event: LoadEvent) -> None:
        """Tell of a vehicle that left a delivery without a proof (domain reference 3.3)."""
        if not event.stop_departed.completion_inferred or stop.pod_ids:
            return
        await open_exception(
            self._journal,
            ExceptionKind.EXCEPTION_KIND_POD_MISSING,
            "The vehicle has left and no proof of delivery is there: ask the driver to hand it in.",
            self._cause(event, "missing"),
            subject_id=stop.stop_id,
            order_id=next(iter(tasks_by_order(stop)), ""),
            load_id=found.load_id,
            stop_id=stop.stop_id,
            evidence=(event.event_id,),
        )

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
        for order_id in sorted(set(found.order_ids) - riding):
            state = (await self._journal.find(order.DECIDER, order_id)).state.order
            if state is not None and found.load_id in state.load_ids:
                await self._tell(order_id, UnplanOrder(load_id=found.load_id, reason=reason), event)

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
        wish: PlanOrder | UnplanOrder | RecordOrderDispatch | RecordOrderPickup | RecordOrderDelivery,
        event: LoadEvent,
        step: str = "",
    ) -> None:
        cause = self._cause(event, order_id, step)
        try:
            outcome = await self._journal.order(order_id, wish, cause)
            if outcome.event is not None and outcome.event.WhichOneof("body") == "cancel_reversed":
                # The fact came before the cancelling: that is taken back first, then the fact is recorded.
                await self._journal.order(order_id, wish, cause.step("after reversal"))
        except Rejected as refusal:
            log.warning("order %s refused %s: %s", order_id, wish.DESCRIPTOR.name, refusal.message)
            if isinstance(wish, UnplanOrder):
                return
            await open_exception(
                self._journal,
                ExceptionKind.EXCEPTION_KIND_SEQUENCE_CONFLICT,
                f"{wish.DESCRIPTOR.name} contradicts what the order has recorded: {refusal.message}",
                cause,
                subject_id=event.event_id,
                detail=order_id,
                order_id=order_id,
                load_id=event.load_id,
                evidence=(event.event_id,),
            )


def _pickup(load_id: str, stop_id: str, tasks: list[StopTask]) -> RecordOrderPickup:
    lines = [
        LineMovement(line_id=task.line_id, quantity=task.actual if task.HasField("actual") else task.expected)
        for task in tasks
    ]
    return RecordOrderPickup(load_id=load_id, stop_id=stop_id, lines=lines)


def _delivered(task: StopTask, reason: str) -> LineMovement:
    return LineMovement(
        line_id=task.line_id, quantity=task.actual, accepted=task.accepted, rejected=task.rejected, reason=reason
    )
