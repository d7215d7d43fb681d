"""Loads that carriers drive, in the book of a fleet that knows carriers by name alone.

A carrier brings vehicle and driver of its own. They stand on the load, and nowhere else in the book: what the carrier's
trucks do beside the load is not the fleet's to know, so that nothing here keeps them from two loads at once.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from gladhand.errors import InvalidArgument
from logistics.dispatch.v1 import AssignLoadRequest, AssignLoadResponse, TenderLoadRequest, TenderLoadResponse
from logistics.dispatch.v1.dispatch_service_pb2 import TENDER_ANSWER_PENDING
from logistics.load.v1 import Assignment, Load
from logistics.load.v1.load_pb2 import LOAD_STATE_ASSIGNED, LOAD_STATE_PLANNED
from services.fleet_gateway.adapters import rules
from services.fleet_gateway.adapters.book import LogLine, Page
from services.fleet_gateway.adapters.port import Booking
from services.fleet_gateway.planner.layout import stamp


async def noted(page: Page, booking: Booking, request: TenderLoadRequest, now: datetime) -> TenderLoadResponse:
    """Note that a load is offered to a carrier, which answers the orchestrator. The plan keeps its vehicle."""
    rules.require_state(booking.load, "tendered", {LOAD_STATE_PLANNED})
    if not request.HasField("respond_by_time"):
        raise InvalidArgument(
            "a carrier is not asked for ever", field="respond_by_time", remedy="say until when an answer is wanted"
        )
    until = request.respond_by_time.ToDatetime().isoformat(timespec="seconds")
    detail = f"offer {request.tender_revision} to {request.carrier_scac} until {until}Z"
    await page.log(LogLine(booking.load.load_id, "offered", now, request.request_id, detail))
    return TenderLoadResponse(answer=TENDER_ANSWER_PENDING)


async def assigned(page: Page, booking: Booking, request: AssignLoadRequest, now: datetime) -> AssignLoadResponse:
    """Note whom a carrier sends; the vehicle that the plan kept is free. Raises VEHICLE_UNAVAILABLE for one of ours."""
    load = booking.load
    rules.require_state(load, "assigned", {LOAD_STATE_PLANNED})
    vehicle_id = request.vehicle_id or f"{request.carrier_scac}-{load.load_id[:8]}"
    known = await page.vehicle(vehicle_id)
    if known is not None and known.carrier_scac != request.carrier_scac:
        raise rules.unavailable(
            f"vehicle {vehicle_id} is not one of {request.carrier_scac}", vehicle_id=vehicle_id, load_id=load.load_id
        )
    changed = _carried(booking, request.carrier_scac, vehicle_id, request.driver_id, now)
    await page.put_booking(changed)
    detail = f"epoch {changed.load.assignments[-1].epoch}: {vehicle_id} of {request.carrier_scac}"
    await page.log(LogLine(load.load_id, "assigned", now, request.request_id, detail))
    return AssignLoadResponse(assignment=changed.load.assignments[-1])


def reference_of(load: Load, assignment: Assignment) -> str:
    """Return the desk's name of the dispatch of a carrier's load: no slip of its own book stands behind it."""
    return f"{load.carrier_scac}-{load.load_id[:8]}-{assignment.epoch}"


def require_own(load: Load) -> None:
    """Raise FailedPrecondition VEHICLE_UNAVAILABLE where a carrier drives the load: it changes its vehicle itself."""
    if load.carrier_scac:
        raise rules.unavailable(
            f"{load.carrier_scac} drives load {load.load_id}; ask it for another vehicle", load_id=load.load_id
        )


def _carried(booking: Booking, carrier_scac: str, vehicle_id: str, driver_id: str, now: datetime) -> Booking:
    load = Load()
    load.CopyFrom(booking.load)
    load.assignments.append(
        Assignment(
            epoch=load.assignments[-1].epoch + 1 if load.assignments else 1,
            vehicle_id=vehicle_id,
            driver_ids=[driver_id] if driver_id else [],
            start_time=stamp(now),
        )
    )
    load.carrier_scac = carrier_scac
    load.state = LOAD_STATE_ASSIGNED
    load.ClearField("dispatch_reference")
    return replace(booking, load=load, hold_until=None)
