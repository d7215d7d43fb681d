"""What follows from news of the road: exceptions are settled, shortages told, estimates handed to orders."""

from __future__ import annotations

import logging
from datetime import UTC

from gladhand import ids
from gladhand.bus.port import Delivery
from gladhand.decider import Rejected
from gladhand.envelope import EnvelopeType
from logistics.exception.v1 import ExceptionKind
from logistics.load.v1 import DeliveryEvent, Load, LoadEvent, Milestone, StopKind, StopState
from logistics.order.v1 import RecordOrderEta
from services.orchestrator.deciders import exception, load
from services.orchestrator.deciders.load.custody import missing_of
from services.orchestrator.exceptions import exception_id_of, open_exception, reopen_exception, settle_exception
from services.orchestrator.journal import Cause, Journal
from services.orchestrator.policies import Policies
from services.orchestrator.processes.estimates import estimate
from services.orchestrator.riding import stop_of

log = logging.getLogger(__name__)

FILTERS = tuple(
    f"logistics.load.*.*.{token}"
    for token in (
        "resumed", "handed_over", "hours_overridden", "replanned", "eta_changed", "stop_completed", "stop_departed",
    )
)  # fmt: skip

_COMING = frozenset({StopState.STOP_STATE_PLANNED, StopState.STOP_STATE_EN_ROUTE})


class RoadNews:
    """Handles the events of loads that tell of the road. Every effect is told once, however often the event comes."""

    def __init__(self, journal: Journal, policies: Policies) -> None:
        self._journal = journal
        self._policies = policies

    async def handle(self, delivery: Delivery) -> None:
        """Do what follows from one load event. Raises what the log raises."""
        event = EnvelopeType.of(LoadEvent).decode(delivery.payload)
        state = (await self._journal.find(load.DECIDER, event.load_id)).state
        if state.load is None:
            return
        match event.WhichOneof("body"):
            case "resumed":
                await self._recovered(state, event, "RESUMED", "the vehicle goes on")
            case "handed_over":
                await self._recovered(state, event, "REASSIGNED", "another vehicle carries the load")
                await self._short(state.load, event)
            case "hours_overridden":
                told = event.hours_overridden
                note = f"{told.overridden_by} answers for it ({told.scope}): {told.reason}"[:2000]
                exception_id = exception_id_of(ExceptionKind.EXCEPTION_KIND_DRIVER_HOS_RISK, event.load_id)
                await settle_exception(self._journal, exception_id, "OVERRIDDEN", note, _cause(event, "hours"))
            case "replanned":
                await self._replanned(state.load, event)
            case "eta_changed":
                await self._expected(state.load, event)
            case "stop_completed" | "stop_departed":
                await self._left_behind(state.load, event)
            case _:
                return

    async def _recovered(self, state: load.State, event: LoadEvent, code: str, note: str) -> None:
        """Settle what interrupted the load; an accident is left to a person."""
        cause = _cause(event, "recovered")
        if state.interrupted_by is not None:
            return  # it is interrupted again, and that is not over
        for exception_id in state.interruptions:
            found = (await self._journal.find(exception.DECIDER, exception_id)).state.exception
            if found is not None and found.kind == ExceptionKind.EXCEPTION_KIND_BREAKDOWN:
                await settle_exception(self._journal, exception_id, code, note, cause)
        failed = exception_id_of(ExceptionKind.EXCEPTION_KIND_REASSIGNMENT_FAILED, event.load_id)
        await settle_exception(self._journal, failed, code, note, cause)

    async def _short(self, found: Load, event: LoadEvent) -> None:
        """Tell of goods that were on board by the record and did not pass to the new vehicle."""
        for task in missing_of(event.handed_over.tasks):
            await open_exception(
                self._journal,
                ExceptionKind.EXCEPTION_KIND_SHORTAGE,
                f"Line {task.line_id}: {task.actual.value} of {task.expected.value} passed to the new vehicle. "
                "Look for the rest on the old one.",
                _cause(event, "short", task.order_id, task.line_id),
                subject_id=found.load_id,
                detail=f"hand-over/{event.handed_over.transfer.to_epoch}/{task.order_id}/{task.line_id}",
                order_id=task.order_id,
                load_id=found.load_id,
                vehicle_id=found.assignments[-1].vehicle_id,
                evidence=(event.event_id,),
            )

    async def _replanned(self, found: Load, event: LoadEvent) -> None:
        """Tell of what the new plan leaves out, and of arrivals that it changes."""
        for left in event.replanned.left_out:
            cause = _cause(event, "left out", left.order_id)
            why = left.message or left.reason
            exception_id = await open_exception(
                self._journal,
                ExceptionKind.EXCEPTION_KIND_NOT_PLANNABLE,
                f"The new plan of load {found.load_id} leaves the order out ({left.reason}): {why}",
                cause,
                subject_id=left.order_id,
                order_id=left.order_id,
                load_id=found.load_id,
            )
            await reopen_exception(self._journal, exception_id, left.reason, cause)
        if found.plan_version != event.replanned.plan_version or not found.assignments:
            return
        demanded = self._policies.in_region(found.region).milestones
        for stop in event.replanned.stops:
            if stop.state not in _COMING or not stop.HasField("planned_arrival_time"):
                continue
            seen = DeliveryEvent(
                delivery_event_id=event.event_id,
                milestone=Milestone.MILESTONE_ETA_UPDATED,
                load_id=found.load_id,
                stop_id=stop.stop_id,
                vehicle_id=found.assignments[-1].vehicle_id,
                estimated_time=stop.planned_arrival_time,
                occur_time=event.occur_time,
            )
            refusal = await estimate(self._journal, found, seen, demanded, _cause(event, "planned", stop.stop_id))
            if refusal:
                log.warning("load %s: a planned arrival is no estimate: %s", found.load_id, refusal)

    async def _expected(self, found: Load, event: LoadEvent) -> None:
        """Tell the orders of a delivery when their goods are expected."""
        stop = stop_of(found, event.eta_changed.stop_id)
        if stop is None or stop.kind != StopKind.STOP_KIND_DELIVERY:
            return
        wish = RecordOrderEta(
            load_id=found.load_id,
            stop_id=stop.stop_id,
            estimated_arrival_time=event.eta_changed.estimated_arrival_time,
            estimate_time=event.eta_changed.estimate_time
            if event.eta_changed.HasField("estimate_time")
            else event.record_time,
        )
        for order_id in dict.fromkeys(task.order_id for task in stop.tasks):
            try:
                await self._journal.order(order_id, wish, _cause(event, "eta", order_id))
            except Rejected as refusal:
                log.info("order %s needs no estimate: %s", order_id, refusal.message)

    async def _left_behind(self, found: Load, event: LoadEvent) -> None:
        """Tell of goods that a replaced vehicle had loaded before it handed over, as if it had none."""
        told = event.stop_completed if event.WhichOneof("body") == "stop_completed" else event.stop_departed
        stop = stop_of(found, told.stop_id)
        pickup = stop is not None and stop.kind == StopKind.STOP_KIND_PICKUP
        handed = [transfer for transfer in found.custody if transfer.from_epoch <= told.epoch < transfer.to_epoch]
        if stop is None or not pickup or not told.epoch or not handed:
            return
        passed = {(task.order_id, task.line_id) for transfer in handed for task in transfer.tasks}
        behind = [task for task in stop.tasks if (task.order_id, task.line_id) not in passed]
        if not behind:
            return
        await open_exception(
            self._journal,
            ExceptionKind.EXCEPTION_KIND_SEQUENCE_CONFLICT,
            f"The replaced vehicle had loaded {len(behind)} lines at stop {stop.stop_id} that were not handed over. "
            "Fetch them from it, or pick them up again.",
            _cause(event, "left behind"),
            subject_id=stop.stop_id,
            detail="left behind",
            order_id=behind[0].order_id,
            load_id=found.load_id,
            stop_id=stop.stop_id,
            evidence=(event.event_id,),
        )


def _cause(event: LoadEvent, *step: str) -> Cause:
    return Cause(
        request_id=ids.derive(event.event_id, *step),
        event_id=event.event_id,
        region=event.region,
        occur_time=event.occur_time.ToDatetime(tzinfo=UTC),
    )
