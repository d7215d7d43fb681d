"""The embedded fleet desk: a small fleet system of our own, for companies that have none and for trials.

It keeps a book (`book.Book`: SQLite in service, memory in tests) and lets nothing into it that `rules` refuses. One
page holds the change, the log line and the recorded answer, so each request counts once and wholly.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Protocol, TypeVar, cast

from google.protobuf.message import Message

from gladhand.clock import Clock
from gladhand.errors import Conflict, InvalidArgument, RequestIdReused
from logistics.dispatch.v1 import (
    AssignLoadRequest,
    AssignLoadResponse,
    CancelLoadRequest,
    CancelLoadResponse,
    CompleteLoadRequest,
    CompleteLoadResponse,
    DispatchLoadRequest,
    DispatchLoadResponse,
    OrderToPlan,
    PlanLoadsRequest,
    PlanLoadsResponse,
    ReassignLoadRequest,
    ReassignLoadResponse,
    ReplanLoadRequest,
    ReplanLoadResponse,
    SetVehicleStatusRequest,
    SetVehicleStatusResponse,
    TenderLoadRequest,
    TenderLoadResponse,
    UnassignedOrder,
)
from logistics.dispatch.v1.dispatch_service_pb2 import TENDER_ANSWER_ACCEPTED
from logistics.fleet.v1 import Driver, Vehicle
from logistics.fleet.v1.vehicle_pb2 import VEHICLE_STATUS_OUT_OF_SERVICE
from logistics.load.v1 import Load
from logistics.load.v1.load_pb2 import (
    LOAD_STATE_ASSIGNED,
    LOAD_STATE_CANCELLED,
    LOAD_STATE_COMPLETED,
    LOAD_STATE_DISPATCHED,
    LOAD_STATE_PLANNED,
)
from logistics.order.v1 import Order
from services.fleet_gateway.adapters import carriers, rules
from services.fleet_gateway.adapters.book import Answer, Book, LogLine, Page, Sent, Taken
from services.fleet_gateway.adapters.crew import Crew
from services.fleet_gateway.adapters.desk_reading import DeskReading, booking_of, driver_of, vehicle_of
from services.fleet_gateway.adapters.port import AnswerT, Booking, Proposal
from services.fleet_gateway.planner.draft import moment
from services.fleet_gateway.planner.layout import stamp

_log = logging.getLogger(__name__)

ResponseT = TypeVar("ResponseT", bound=Message)


class _Changing(Protocol):
    request_id: str


def digest_of(request: Message) -> str:
    """Return the SHA-256, in hex, of what makes two requests the same: their kind and their content.

    A plan is asked for by region, wave and orders: a caller that repeats the question after a crash finds
    orders and clock a little further on, and must still get the plan that was made.
    """
    if isinstance(request, PlanLoadsRequest):
        asked = PlanLoadsRequest(region=request.region, wave_id=request.wave_id)
        asked.orders.extend(OrderToPlan(order=Order(order_id=o.order.order_id)) for o in request.orders)
        request = asked
    body = request.SerializeToString(deterministic=True)
    return hashlib.sha256(request.DESCRIPTOR.full_name.encode() + b"\0" + body).hexdigest()


class FleetDesk(DeskReading):
    """A `FleetAdapter` over a book.

    `hold_for` is how long a proposal keeps its vehicle; `known_hours` refuses drivers whose hours nobody told lately.
    """

    name = "fleet-desk"

    def __init__(
        self, book: Book, clock: Clock, *, hold_for: timedelta = timedelta(minutes=10), known_hours: bool = False
    ) -> None:
        super().__init__(book, clock)
        self._hold_for = hold_for
        self._known_hours = known_hours

    async def register(self, vehicles: Sequence[Vehicle], drivers: Sequence[Driver]) -> None:
        """Write vehicles and drivers as the fleet registers them; those in the book already are overwritten.

        The status of a vehicle counts at its first registration only; later it changes by `set_vehicle_status`.
        """
        async with self._book.write() as page:
            for vehicle in vehicles:
                known = await page.vehicle(vehicle.vehicle_id)
                await page.put_vehicle(rules.registered(vehicle, known))
            for driver in drivers:
                await page.put_driver(driver)

    async def answered(self, request: Message, kind: type[AnswerT]) -> AnswerT | None:
        async with self._book.read() as page:
            return await self._recorded(page, request, kind)

    async def _recorded(self, page: Page, request: Message, kind: type[AnswerT]) -> AnswerT | None:
        request_id = cast(_Changing, request).request_id
        known = await page.answer(request_id)
        if known is None:
            return None
        if known.digest != digest_of(request):
            raise RequestIdReused(request_id, known.digest)
        return kind.FromString(known.payload)

    async def _once(
        self, request: Message, kind: type[ResponseT], act: Callable[[Page, datetime], Awaitable[ResponseT]]
    ) -> ResponseT:
        request_id = cast(_Changing, request).request_id
        try:
            async with self._book.write() as page:
                known = await self._recorded(page, request, kind)
                if known is not None:
                    return known
                now = self._clock.now()
                response = await act(page, now)
                answer = Answer(digest_of(request), response.SerializeToString(deterministic=True))
                await page.record_answer(request_id, answer, now)
                return response
        except Taken as error:
            _log.warning(
                "the book refused a double assignment", extra={"facts": {"request_id": request_id, "why": str(error)}}
            )
            raise rules.unavailable("the vehicle, the driver or the load has a live assignment") from error

    async def plannable(self, region: str, vehicle_ids: Sequence[str]) -> list[Vehicle]:
        async with self._book.read() as page:
            for vehicle_id in vehicle_ids:
                await vehicle_of(page, vehicle_id)
            crew = await Crew.read(page, self._clock.now())
            wanted = set(vehicle_ids)
            return [v for v in crew.plannable(region) if not wanted or v.vehicle_id in wanted]

    async def propose(
        self, request: PlanLoadsRequest, proposals: Sequence[Proposal], unassigned: Sequence[UnassignedOrder]
    ) -> PlanLoadsResponse:
        async def act(page: Page, now: datetime) -> PlanLoadsResponse:
            crew = await Crew.read(page, now)
            free = {vehicle.vehicle_id for vehicle in crew.plannable(request.region)}
            until = now + self._hold_for
            for proposal in proposals:
                load = proposal.load
                if load.planned_vehicle_id not in free:
                    raise Conflict(
                        f"vehicle {load.planned_vehicle_id} was taken while the plan was made; plan again",
                        metadata={"vehicle_id": load.planned_vehicle_id, "load_id": load.load_id},
                    )
                await page.put_booking(
                    Booking(load, proposal.features, proposal.start_time, proposal.end_by_time, until, now)
                )
                await page.log(LogLine(load.load_id, "planned", now, request.request_id, load.planned_vehicle_id))
            return PlanLoadsResponse(
                loads=[proposal.load for proposal in proposals], unassigned=unassigned, hold_until_time=stamp(until)
            )

        return await self._once(request, PlanLoadsResponse, act)

    async def tender(self, request: TenderLoadRequest) -> TenderLoadResponse:
        async def act(page: Page, now: datetime) -> TenderLoadResponse:
            booking = await booking_of(page, request.load_id)
            if request.carrier_scac:
                return await carriers.noted(page, booking, request, now)
            rules.require_state(booking.load, "tendered", {LOAD_STATE_PLANNED})
            await page.log(LogLine(request.load_id, "accepted", now, request.request_id, "own fleet"))
            return TenderLoadResponse(answer=TENDER_ANSWER_ACCEPTED, answer_time=stamp(now))

        return await self._once(request, TenderLoadResponse, act)

    async def assign(self, request: AssignLoadRequest) -> AssignLoadResponse:
        async def act(page: Page, now: datetime) -> AssignLoadResponse:
            booking = await booking_of(page, request.load_id)
            load = booking.load
            rules.require_plan(load, _given(request, "expected_plan_version"))
            current = rules.in_force(load)
            if current is not None and rules.already(current, request.vehicle_id, request.driver_id):
                return AssignLoadResponse(assignment=current)
            if request.carrier_scac:
                return await carriers.assigned(page, booking, request, now)
            rules.require_state(load, "assigned", {LOAD_STATE_PLANNED})
            vehicle_id = request.vehicle_id or load.planned_vehicle_id
            if not vehicle_id:
                raise InvalidArgument(
                    "the plan names no vehicle", field="vehicle_id", remedy="name the vehicle that is to drive"
                )
            crew = await Crew.read(page, now)
            vehicle = await vehicle_of(page, vehicle_id)
            rules.require_vehicle(vehicle, booking, crew.holder_of_vehicle(vehicle_id))
            driver = await self._driver_for(page, crew, vehicle, booking, request.driver_id)
            changed = rules.assigned(booking, vehicle_id, driver.driver_id, now)
            await self._begin(page, changed, request.request_id, now, "assigned")
            return AssignLoadResponse(assignment=changed.load.assignments[-1])

        return await self._once(request, AssignLoadResponse, act)

    async def _driver_for(self, page: Page, crew: Crew, vehicle: Vehicle, booking: Booking, driver_id: str) -> Driver:
        driver = await driver_of(page, driver_id) if driver_id else crew.driver_for(vehicle, booking.load.region)
        if driver is None:
            raise rules.unavailable(
                f"no driver is free for vehicle {vehicle.vehicle_id}",
                vehicle_id=vehicle.vehicle_id,
                load_id=booking.load.load_id,
            )
        holder = crew.holder_of_driver(driver.driver_id)
        rules.require_driver(driver, booking, holder, crew.now, known_hours=self._known_hours)
        return driver

    async def _begin(self, page: Page, booking: Booking, request_id: str, now: datetime, action: str) -> None:
        load, assignment = booking.load, booking.load.assignments[-1]
        await page.begin_assignment(load.load_id, assignment)
        await page.put_booking(booking)
        detail = f"epoch {assignment.epoch}: {assignment.vehicle_id}, {assignment.driver_ids[0]}"
        await page.log(LogLine(load.load_id, action, now, request_id, detail))

    async def dispatch(self, request: DispatchLoadRequest) -> DispatchLoadResponse:
        async def act(page: Page, now: datetime) -> DispatchLoadResponse:
            booking = await booking_of(page, request.load_id)
            load = booking.load
            rules.require_state(load, "dispatched", {LOAD_STATE_ASSIGNED, LOAD_STATE_DISPATCHED})
            current = rules.require_epoch(load, _given(request, "expected_epoch"))
            rules.require_plan(load, _given(request, "expected_plan_version"))
            if load.state == LOAD_STATE_ASSIGNED and load.carrier_scac:
                sent = Sent(carriers.reference_of(load, current), now)
                await page.put_booking(rules.dispatched(booking, sent.reference))
                await page.log(LogLine(load.load_id, "dispatched", now, request.request_id, sent.reference))
            elif load.state == LOAD_STATE_DISPATCHED:
                sent = await page.dispatch_of(load.load_id, current.epoch) or Sent(load.dispatch_reference, now)
            else:
                rules.require_vehicle(await vehicle_of(page, current.vehicle_id), booking, "")
                sent = Sent(await page.dispatch(load.load_id, current.epoch, load.plan_version, now), now)
                await page.put_booking(rules.dispatched(booking, sent.reference))
                await page.log(LogLine(load.load_id, "dispatched", now, request.request_id, sent.reference))
            return DispatchLoadResponse(
                dispatch_reference=sent.reference,
                dispatch_time=stamp(sent.at),
                assignment=current,
                plan_version=load.plan_version,
            )

        return await self._once(request, DispatchLoadResponse, act)

    async def complete(self, request: CompleteLoadRequest) -> CompleteLoadResponse:
        async def act(page: Page, now: datetime) -> CompleteLoadResponse:
            booking = await booking_of(page, request.load_id)
            if booking.load.state == LOAD_STATE_COMPLETED:
                return CompleteLoadResponse(load=booking.load)
            rules.require_state(booking.load, "completed", {LOAD_STATE_DISPATCHED})
            at = moment(request.complete_time) if request.HasField("complete_time") else now
            if rules.too_early(at, now):
                raise InvalidArgument(
                    f"the load would end at {at.isoformat()}, which is yet to come",
                    field="complete_time",
                    remedy="give the time at which its last stop ended",
                    reason="FUTURE_DATED",
                )
            load = await self._end(page, rules.ended(booking, LOAD_STATE_COMPLETED, at), "completed", request, now)
            return CompleteLoadResponse(load=load)

        return await self._once(request, CompleteLoadResponse, act)

    async def cancel(self, request: CancelLoadRequest) -> CancelLoadResponse:
        async def act(page: Page, now: datetime) -> CancelLoadResponse:
            booking = await booking_of(page, request.load_id)
            if booking.load.state == LOAD_STATE_CANCELLED:
                return CancelLoadResponse(load=booking.load)
            rules.cancellable(booking)
            load = await self._end(page, rules.ended(booking, LOAD_STATE_CANCELLED, now), "cancelled", request, now)
            return CancelLoadResponse(load=load)

        return await self._once(request, CancelLoadResponse, act)

    async def _end(
        self, page: Page, booking: Booking, action: str, request: CompleteLoadRequest | CancelLoadRequest, now: datetime
    ) -> Load:
        load = booking.load
        if load.assignments:
            await page.end_assignment(load.load_id, load.assignments[-1])
        await page.put_booking(booking)
        detail = request.reason if isinstance(request, CancelLoadRequest) else ""
        await page.log(LogLine(load.load_id, action, now, request.request_id, detail))
        return load

    async def replan(self, request: ReplanLoadRequest, load: Load, features: frozenset[str]) -> ReplanLoadResponse:
        async def act(page: Page, now: datetime) -> ReplanLoadResponse:
            booking = await booking_of(page, request.load_id)
            rules.require_state(booking.load, "replanned", rules.OPEN)
            rules.require_plan(booking.load, request.expected_plan_version)
            changed = rules.replanned(booking, load, features)
            await page.put_booking(changed)
            detail = f"plan {changed.load.plan_version}: {request.reason}"
            await page.log(LogLine(request.load_id, "replanned", now, request.request_id, detail))
            return ReplanLoadResponse(load=changed.load)

        return await self._once(request, ReplanLoadResponse, act)

    async def reassign(self, request: ReassignLoadRequest) -> ReassignLoadResponse:
        async def act(page: Page, now: datetime) -> ReassignLoadResponse:
            booking = await booking_of(page, request.load_id)
            rules.require_state(booking.load, "reassigned", {LOAD_STATE_ASSIGNED, LOAD_STATE_DISPATCHED})
            carriers.require_own(booking.load)
            current = rules.require_epoch(booking.load, request.expected_epoch)
            if rules.already(current, request.vehicle_id, request.driver_id):
                raise InvalidArgument(
                    "the load already has this vehicle and driver",
                    field="vehicle_id" if request.vehicle_id else "driver_id",
                    remedy="name another one",
                )
            vehicle = await vehicle_of(page, request.vehicle_id or current.vehicle_id)
            driver_id = request.driver_id or current.driver_ids[0]
            crew = await Crew.read(page, now)
            rules.require_vehicle(vehicle, booking, crew.holder_of_vehicle(vehicle.vehicle_id))
            driver = await self._driver_for(page, crew, vehicle, booking, driver_id)
            changed = rules.assigned(booking, vehicle.vehicle_id, driver.driver_id, now, request.reason)
            ended = changed.load.assignments[-2]
            await page.end_assignment(request.load_id, ended)
            if request.vehicle_out_of_service and ended.vehicle_id != vehicle.vehicle_id:
                left = await vehicle_of(page, ended.vehicle_id)
                await page.put_vehicle(rules.with_status(left, VEHICLE_STATUS_OUT_OF_SERVICE))
            await self._begin(page, changed, request.request_id, now, "reassigned")
            return ReassignLoadResponse(assignment=changed.load.assignments[-1], ended_assignment=ended)

        return await self._once(request, ReassignLoadResponse, act)

    async def set_vehicle_status(self, request: SetVehicleStatusRequest) -> SetVehicleStatusResponse:
        async def act(page: Page, now: datetime) -> SetVehicleStatusResponse:
            vehicle = await vehicle_of(page, request.vehicle_id)
            crew = await Crew.read(page, now)
            live = crew.by_vehicle.get(vehicle.vehicle_id)
            rules.require_settable(vehicle, request.status, live.load_id if live is not None else "")
            changed = rules.with_status(vehicle, request.status)
            await page.put_vehicle(changed)
            detail = f"{vehicle.vehicle_id}: {request.reason}"
            load_id = live.load_id if live is not None else ""
            await page.log(LogLine(load_id, "vehicle status", now, request.request_id, detail))
            return SetVehicleStatusResponse(vehicle=crew.vehicle_now(changed))

        return await self._once(request, SetVehicleStatusResponse, act)


def _given(request: AssignLoadRequest | DispatchLoadRequest, field: str) -> int | None:
    return int(getattr(request, field)) if request.HasField(field) else None  # type: ignore[arg-type]
