"""The driver of loads: a carrier where one is wanted, vehicle and driver, dispatch, and freeing them at the end.

A gateway that does not answer is asked again by redelivery of the event that woke the driver, a limited number of
times; then the event is a dead letter.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from gladhand import ids
from gladhand.bus.port import Delivery
from gladhand.bus.timers import due_of
from gladhand.calls import correlated
from gladhand.envelope import EnvelopeType
from gladhand.errors import FailedPrecondition, InvalidArgument, NotFound
from logistics.dispatch.v1 import AssignLoadRequest, CancelLoadRequest, CompleteLoadRequest, DispatchLoadRequest
from logistics.exception.v1 import ExceptionKind, Gate
from logistics.load.v1 import AssignLoad, CancelLoad, ConfirmLoadCancel, DispatchLoad, Load, LoadEvent, TenderOffer
from logistics.order.v1 import OrderState
from services.orchestrator.blocking import blocks
from services.orchestrator.deciders import load, order
from services.orchestrator.deciders.load.offers import accepted_offer
from services.orchestrator.exceptions import exception_id_of, open_exception, settle_exception
from services.orchestrator.gateways import FleetGateway
from services.orchestrator.journal import Cause, Journal
from services.orchestrator.phases.haulage import (
    Assign,
    Dispatch,
    FindCarrier,
    Free,
    Rest,
    Step,
    TakeBack,
    Withdraw,
    phase,
)
from services.orchestrator.processes.reassignments import Reassignments
from services.orchestrator.processes.tendering import Tendering
from services.orchestrator.processes.turns import Turns

log = logging.getLogger(__name__)

FILTERS = tuple(
    f"logistics.load.*.*.{token}"
    for token in (
        "planned", "assigned", "unassigned", "hold_lifted", "stop_departed", "stop_completed", "stop_failed",
        "stop_skipped", "cancel_requested", "cancelled", "tendered", "tender_undelivered", "tender_bid",
        "tender_countered", "tender_declined", "tender_expired", "tender_withdrawn", "tender_accepted", "replanned",
        "reassignment_requested", "reassigned", "redispatched", "hours_overridden", "plan_proposed", "handed_over",
        "resumed", "cancel_reversed",
    )
)  # fmt: skip

_MAX_STEPS = 64
"""More than a broadcast to every carrier of a policy takes."""


class HaulageDriver:
    """Drives loads, those of carriers too. `drive` may be called any number of times, at any moment."""

    def __init__(
        self,
        journal: Journal,
        fleet: FleetGateway,
        on_free: Callable[[str], Awaitable[None]],
        road: Reassignments,
        tendering: Tendering,
    ) -> None:
        """`on_free` is told the region in which a vehicle became free; `road` does what happens after
        dispatch, `tendering` what is before.
        """
        self._journal = journal
        self._fleet = fleet
        self._tendering = tendering
        self._on_free = on_free
        self._road = road
        self._turns = Turns()

    async def handle(self, delivery: Delivery) -> None:
        """Wake the load of an event."""
        event = EnvelopeType.of(LoadEvent).decode(delivery.payload)
        await self.drive(event.load_id, event.event_id)

    async def on_due(self, delivery: Delivery) -> None:
        """Wake the load of a timer."""
        await self.drive(due_of(delivery).key)

    async def drive(self, load_id: str, cause_event_id: str = "") -> None:
        """Do everything that is due for a load. Raises what the log and the fleet raise, refusals excepted."""
        async with self._turns.of(load_id):
            for _ in range(_MAX_STEPS):
                loaded = await self._journal.find(load.DECIDER, load_id)
                found = loaded.state.load
                if found is None:
                    return
                step = phase(
                    found,
                    dispatch_blocked=await self._dispatch_blocked(found),
                    asks_carriers=await self._tendering.asks_carriers(found),
                    hours_due=self._road.hours_due(found),
                )
                if isinstance(step, Rest):
                    return
                cause = Cause(
                    request_id=ids.derive(load_id, "haulage", type(step).__name__, str(loaded.version)),
                    event_id=cause_event_id or loaded.last_event_id,
                    correlation_id=load_id,
                    region=found.region,
                )
                with correlated(load_id):
                    if await self._take(step, found, cause):
                        return

    async def _take(self, step: Step, found: Load, cause: Cause) -> bool:
        """Take one step; return whether it was the last one for now."""
        match step:
            case FindCarrier():
                return await self._tendering.step(found, cause)
            case Assign():
                await self._tendering.over(found, cause)
                return await self._assign(found, cause)
            case Dispatch():
                return await self._dispatch(found, cause)
            case Free():
                await self._free(found)
                await self._on_free(found.region)
            case TakeBack():
                await self._tendering.over(found, cause)
                await self._take_back(found)
                await self._on_free(found.region)
            case Withdraw():
                return await self._withdraw(found, cause)
            case Rest():
                pass
            case _:
                return await self._road.take(step, found, cause)
        return True

    async def _assign(self, found: Load, cause: Cause) -> bool:
        carried = accepted_offer(found)
        if carried is not None:
            return await self._assign_carrier(found, carried, cause)
        request = AssignLoadRequest(
            request_id=ids.derive(found.load_id, "assign", str(len(found.assignments) + 1)),
            load_id=found.load_id,
            vehicle_id=found.planned_vehicle_id,
        )
        try:
            answer = await self._fleet.assign_load(request)
        except (FailedPrecondition, NotFound) as refusal:
            # The orders go back to planning: another wave finds another vehicle.
            await self._journal.load(found.load_id, CancelLoad(reason=refusal.message), cause.step("give up"))
            return False
        await self._journal.load(found.load_id, AssignLoad(assignment=answer.assignment), cause)
        return False

    async def _assign_carrier(self, found: Load, carried: TenderOffer, cause: Cause) -> bool:
        """Have the fleet note whom the carrier sends. The carrier has the load: a refusal is for people to solve."""
        request = AssignLoadRequest(
            request_id=ids.derive(found.load_id, "assign", str(len(found.assignments) + 1), carried.tender_id),
            load_id=found.load_id,
            carrier_scac=carried.carrier_scac,
            vehicle_id=carried.vehicle_id,
            driver_id=next(iter(carried.driver_ids), ""),
        )
        try:
            answer = await self._fleet.assign_load(request)
        except (FailedPrecondition, InvalidArgument, NotFound) as refusal:
            message = f"The vehicle of {carried.carrier_scac} cannot be named: {refusal.message}"
            await self._stuck(found, message, f"assign/{carried.tender_id}", cause)
            return True
        await self._journal.load(found.load_id, AssignLoad(assignment=answer.assignment), cause)
        solved = exception_id_of(
            ExceptionKind.EXCEPTION_KIND_PROCESS_STUCK, found.load_id, f"assign/{carried.tender_id}"
        )
        await settle_exception(self._journal, solved, "ASSIGNED", "the vehicle is named", cause)
        return False

    async def _dispatch(self, found: Load, cause: Cause) -> bool:
        epoch = found.assignments[-1].epoch
        request = DispatchLoadRequest(
            request_id=ids.derive(found.load_id, "dispatch", str(epoch), str(found.plan_version)),
            load_id=found.load_id,
            expected_epoch=epoch,
        )
        try:
            answer = await self._fleet.dispatch_load(request)
        except (FailedPrecondition, NotFound) as refusal:
            await self._stuck(found, f"The fleet refused to dispatch: {refusal.message}", f"dispatch/{epoch}", cause)
            return True
        wish = DispatchLoad(dispatch_reference=answer.dispatch_reference, epoch=epoch)
        await self._journal.load(found.load_id, wish, cause)
        return True

    async def _stuck(self, found: Load, message: str, detail: str, cause: Cause) -> None:
        kind = ExceptionKind.EXCEPTION_KIND_PROCESS_STUCK
        await open_exception(
            self._journal, kind, message, cause, subject_id=found.load_id, detail=detail, load_id=found.load_id
        )
        log.error("load %s waits for a person: %s", found.load_id, message)

    async def _free(self, found: Load) -> None:
        request = CompleteLoadRequest(request_id=ids.derive(found.load_id, "complete"), load_id=found.load_id)
        request.complete_time.CopyFrom(found.update_time)
        try:
            await self._fleet.complete_load(request)
        except NotFound:
            log.info("load %s is unknown to the fleet: nothing to free", found.load_id)

    async def _withdraw(self, found: Load, cause: Cause) -> bool:
        try:
            await self._take_back(found)
        except FailedPrecondition as refusal:
            await self._stuck(found, f"The fleet does not call the vehicle back: {refusal.message}", "withdraw", cause)
            return True
        wish = ConfirmLoadCancel(reason="the fleet called the vehicle back")
        await self._journal.load(found.load_id, wish, cause)
        return False

    async def _take_back(self, found: Load) -> None:
        request = CancelLoadRequest(
            request_id=ids.derive(found.load_id, "take back"), load_id=found.load_id, reason="cancelled"
        )
        try:
            await self._fleet.cancel_load(request)
        except NotFound:
            log.info("load %s is unknown to the fleet: nothing to take back", found.load_id)

    async def _dispatch_blocked(self, found: Load) -> bool:
        """Whether a hold of the load or of an order on it blocks dispatch, or an order is not wholly planned yet.

        A hold of the planning that came after it blocks dispatch as well: what may not be planned is not sent out.
        """
        blocking = list((await self._journal.find(load.DECIDER, found.load_id)).state.holds.values())
        for order_id in found.order_ids:
            riding = (await self._journal.find(order.DECIDER, order_id)).state
            if riding.order is not None and riding.order.state == OrderState.ORDER_STATE_RELEASED:
                return True
            blocking.extend(riding.holds.values())
        return any(blocks(gates, Gate.GATE_DISPATCH) for gates in blocking)
