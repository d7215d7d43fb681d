"""What every fleet adapter must keep while loads are proposed, assigned, dispatched and listed."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from google.protobuf.duration_pb2 import Duration

from gladhand.errors import (
    Conflict,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    RequestIdReused,
)
from gladhand.testing import VirtualClock
from logistics.dispatch.v1 import (
    AssignLoadRequest,
    CancelLoadRequest,
    CompleteLoadRequest,
    DispatchLoadRequest,
    ListLoadsRequest,
    PlanLoadsRequest,
    PlanLoadsResponse,
    ReassignLoadRequest,
    TenderLoadRequest,
    UnassignedOrder,
)
from logistics.dispatch.v1.dispatch_service_pb2 import (
    SKIP_REASON_NO_VEHICLE,
    TENDER_ANSWER_ACCEPTED,
    TENDER_ANSWER_PENDING,
)
from logistics.fleet.v1 import DriverLicense, HoursOfService
from logistics.fleet.v1.driver_pb2 import DRIVER_STATUS_DRIVING, DRIVER_STATUS_ON_DUTY
from logistics.fleet.v1.vehicle_pb2 import (
    VEHICLE_STATUS_ASSIGNED,
    VEHICLE_STATUS_IN_USE,
)
from logistics.load.v1.load_pb2 import (
    LOAD_STATE_ASSIGNED,
    LOAD_STATE_CANCELLED,
    LOAD_STATE_COMPLETED,
    LOAD_STATE_DISPATCHED,
    LOAD_STATE_PLANNED,
)
from services.fleet_gateway.adapters.port import FleetAdapter, LoadCursor
from tests.adapters.fleet.samples import START, an_id, driver, load, proposal, stamp, vehicle
from tests.adapters.fleet.steps import Registering, assign, dispatch, on_the_road, present, propose, reason


class Booking:
    """The suite."""

    async def test_a_proposal_is_booked_and_keeps_its_vehicle(self, fleet: FleetAdapter, clock: VirtualClock) -> None:
        left = [UnassignedOrder(order_id=an_id("o"), line_ids=["1"], reason=SKIP_REASON_NO_VEHICLE)]
        asked = PlanLoadsRequest(request_id=an_id("plan"), region="us")
        answer = await fleet.propose(asked, [proposal("a", "truck-1")], left)
        assert [each.load_id for each in answer.loads] == [an_id("a")]
        assert list(answer.unassigned) == left
        assert [v.vehicle_id for v in await fleet.plannable("us", [])] == ["truck-2"]
        booking = await fleet.booking(an_id("a"))
        assert booking.load == load("a", "truck-1")
        assert answer.hold_until_time == stamp(booking.hold_until or START)

        clock.advance_to(answer.hold_until_time.ToDatetime(tzinfo=START.tzinfo))
        assert [v.vehicle_id for v in await fleet.plannable("us", [])] == ["truck-1", "truck-2"]

    async def test_plannable_is_bounded_by_region_choice_and_drivers(
        self, fleet: FleetAdapter, registering: Registering
    ) -> None:
        assert [v.vehicle_id for v in await fleet.plannable("eu", [])] == ["truck-1", "truck-2", "truck-3"]
        assert [v.vehicle_id for v in await fleet.plannable("us", ["truck-2"])] == ["truck-2"]
        with pytest.raises(NotFound) as refusal:
            await fleet.plannable("us", ["truck-9"])
        assert reason(refusal) == "VEHICLE_NOT_FOUND"
        expired = DriverLicense(expire_date="2026-01-05")
        await registering.register([], [driver("driver-2", license=expired), driver("driver-3", region="eu")])
        assert [v.vehicle_id for v in await fleet.plannable("us", [])] == ["truck-1"]

    async def test_the_same_request_twice_changes_nothing(self, fleet: FleetAdapter, clock: VirtualClock) -> None:
        first = await propose(fleet, ("a", "truck-1"))
        clock.advance(timedelta(minutes=1))
        assert await propose(fleet, ("a", "truck-1")) == first
        assigned = AssignLoadRequest(request_id=an_id("assign"), load_id=an_id("a"))
        one = await fleet.assign(assigned)
        clock.advance(timedelta(minutes=1))
        assert await fleet.assign(assigned) == one
        sent = await dispatch(fleet, "a")
        clock.advance(timedelta(minutes=1))
        assert await dispatch(fleet, "a") == sent
        end = CompleteLoadRequest(request_id=an_id("end"), load_id=an_id("a"))
        ended = await fleet.complete(end)
        clock.advance(timedelta(minutes=1))
        assert await fleet.complete(end) == ended
        assert await fleet.assign(assigned) == one
        assert len((await present(fleet, "a")).assignments) == 1

    async def test_a_request_id_cannot_be_used_for_something_else(self, fleet: FleetAdapter) -> None:
        await propose(fleet, ("a", "truck-1"))
        asked = PlanLoadsRequest(request_id=an_id("plan"), region="eu")
        with pytest.raises(RequestIdReused):
            await fleet.propose(asked, [], [])
        with pytest.raises(RequestIdReused):
            await fleet.answered(asked, PlanLoadsResponse)
        with pytest.raises(RequestIdReused):
            await fleet.cancel(CancelLoadRequest(request_id=an_id("plan"), load_id=an_id("a"), reason="x"))
        assert await fleet.answered(PlanLoadsRequest(request_id=an_id("new")), PlanLoadsResponse) is None

    async def test_a_vehicle_taken_meanwhile_is_a_conflict_and_books_nothing(self, fleet: FleetAdapter) -> None:
        await propose(fleet, ("a", "truck-1"))
        with pytest.raises(Conflict):
            await propose(fleet, ("b", "truck-2"), ("c", "truck-1"), request="second")
        for name in ("b", "c"):
            with pytest.raises(NotFound) as refusal:
                await fleet.booking(an_id(name))
            assert reason(refusal) == "LOAD_NOT_FOUND"
        assert [v.vehicle_id for v in await fleet.plannable("us", [])] == ["truck-2"]

    async def test_a_refused_request_may_be_repeated_and_then_counts(self, fleet: FleetAdapter) -> None:
        await propose(fleet, ("a", "truck-1"))
        await propose(fleet, ("b", "truck-2"), request="second")
        await assign(fleet, "a")
        with pytest.raises(FailedPrecondition):
            await assign(fleet, "b", vehicle_id="truck-1")
        await fleet.cancel(CancelLoadRequest(request_id=an_id("free"), load_id=an_id("a"), reason="gone"))
        assert await assign(fleet, "b", vehicle_id="truck-1") == 1

    async def test_assigning_takes_the_planned_vehicle_and_its_usual_driver(self, fleet: FleetAdapter) -> None:
        await propose(fleet, ("a", "truck-2"))
        assert await assign(fleet, "a", expected_plan_version=1) == 1
        booked = await present(fleet, "a")
        assert booked.state == LOAD_STATE_ASSIGNED
        assert booked.assignments[0].vehicle_id == "truck-2"
        assert list(booked.assignments[0].driver_ids) == ["driver-2"]
        assert booked.assignments[0].start_time == stamp(START)
        assert (await fleet.vehicle("truck-2")).status == VEHICLE_STATUS_ASSIGNED
        assert (await fleet.vehicle("truck-2")).load_id == an_id("a")
        assert (await fleet.driver("driver-2")).status == DRIVER_STATUS_ON_DUTY
        await dispatch(fleet, "a")
        assert (await fleet.vehicle("truck-2")).status == VEHICLE_STATUS_IN_USE
        assert (await fleet.driver("driver-2")).status == DRIVER_STATUS_DRIVING

    async def test_assigning_what_is_assigned_gives_the_same_assignment(self, fleet: FleetAdapter) -> None:
        await propose(fleet, ("a", "truck-1"))
        await assign(fleet, "a")
        assert await assign(fleet, "a", "again", vehicle_id="truck-1", driver_id="driver-1") == 1
        with pytest.raises(FailedPrecondition) as refusal:
            await assign(fleet, "a", "other", vehicle_id="truck-2")
        assert reason(refusal) == "TRANSITION_NOT_ALLOWED"
        assert refusal.value.metadata["state"] == "LOAD_STATE_ASSIGNED"

    async def test_a_vehicle_or_driver_never_has_two_loads(self, fleet: FleetAdapter, clock: VirtualClock) -> None:
        await propose(fleet, ("a", "truck-1"), ("b", "truck-2"))
        with pytest.raises(FailedPrecondition) as refusal:
            await assign(fleet, "b", "held", vehicle_id="truck-1")
        assert refusal.value.metadata == {"vehicle_id": "truck-1", "load_id": an_id("a")}
        await assign(fleet, "a")
        clock.advance(timedelta(hours=1))
        with pytest.raises(FailedPrecondition) as refusal:
            await assign(fleet, "b", "taken", vehicle_id="truck-1")
        assert reason(refusal) == "VEHICLE_UNAVAILABLE"
        with pytest.raises(FailedPrecondition) as refusal:
            await assign(fleet, "b", "driver", driver_id="driver-1")
        assert refusal.value.metadata == {"driver_id": "driver-1", "load_id": an_id("a")}
        assert await assign(fleet, "b") == 1

    async def test_of_many_at_once_one_gets_the_vehicle(self, fleet: FleetAdapter, clock: VirtualClock) -> None:
        names = [f"load {n}" for n in range(6)]
        for name in names:
            await propose(fleet, (name, "truck-1"), request=name)
            clock.advance(timedelta(hours=1))
        outcomes = await asyncio.gather(*(assign(fleet, name) for name in names), return_exceptions=True)
        assert sorted(str(type(o).__name__) for o in outcomes) == ["FailedPrecondition"] * 5 + ["int"]

    async def test_a_vehicle_must_fit_the_load(self, fleet: FleetAdapter, registering: Registering) -> None:
        small = vehicle("van-1", capacities=[{"dimension": 1, "quantity": {"value": "0.099", "unit_code": "TNE"}}])
        await registering.register([small, vehicle("trailer-1", kind=5)], [])
        needs = [proposal("a", "truck-2", features=["cooled"]), proposal("b", "truck-1", kilograms="99.5")]
        await fleet.propose(PlanLoadsRequest(request_id=an_id("plan"), region="us"), needs, [])
        for name, vehicle_id, word in [
            ("a", "truck-3", "cooled"),
            ("b", "van-1", "99500 g"),
            ("b", "trailer-1", "used"),
        ]:
            with pytest.raises(FailedPrecondition, match=word) as refusal:
                await assign(fleet, name, f"{name} {vehicle_id}", vehicle_id=vehicle_id)
            assert reason(refusal) == "VEHICLE_UNAVAILABLE"
        with pytest.raises(NotFound):
            await assign(fleet, "b", "nobody", vehicle_id="truck-9")
        with pytest.raises(NotFound):
            await assign(fleet, "b", "no driver", driver_id="driver-9")

    async def test_a_driver_must_be_able_to_drive(self, fleet: FleetAdapter, registering: Registering) -> None:
        few = HoursOfService(as_of_time=stamp(START), shift_remaining=Duration(seconds=60))
        stale = HoursOfService(as_of_time=stamp(START - timedelta(minutes=15)), shift_remaining=Duration(seconds=60))
        await registering.register(
            [],
            [
                driver("driver-1", license=DriverLicense(expire_date="2025-12-31")),
                driver("driver-2", hours_of_service=few),
                driver("driver-3", hours_of_service=stale),
            ],
        )
        planned = proposal("a", "truck-2")
        planned.load.figures.duration.CopyFrom(Duration(seconds=3600))
        await fleet.propose(PlanLoadsRequest(request_id=an_id("plan"), region="us"), [planned], [])
        for driver_id, word in [("driver-1", "licence"), ("driver-2", "hours")]:
            with pytest.raises(FailedPrecondition, match=word) as refusal:
                await assign(fleet, "a", driver_id, driver_id=driver_id)
            assert refusal.value.metadata["driver_id"] == driver_id
        assert await assign(fleet, "a", driver_id="driver-3") == 1

    async def test_dispatch_is_confirmed_once_per_assignment(self, fleet: FleetAdapter, clock: VirtualClock) -> None:
        await propose(fleet, ("a", "truck-1"), ("b", "truck-2"))
        with pytest.raises(FailedPrecondition) as refusal:
            await dispatch(fleet, "a", "too soon")
        assert refusal.value.metadata["state"] == "LOAD_STATE_PLANNED"
        await assign(fleet, "a")
        with pytest.raises(FailedPrecondition) as refusal:
            await dispatch(fleet, "a", "epoch", expected_epoch=2)
        assert reason(refusal) == "EPOCH_MISMATCH"
        with pytest.raises(Conflict) as conflict:
            await dispatch(fleet, "a", "other plan", expected_plan_version=2)
        assert conflict.value.reason == "PLAN_VERSION_CONFLICT"
        sent = await dispatch(fleet, "a", expected_epoch=1, expected_plan_version=1)
        assert sent.dispatch_reference
        assert sent.plan_version == sent.assignment.epoch == 1
        clock.advance(timedelta(minutes=5))
        assert await dispatch(fleet, "a", "again") == sent
        await assign(fleet, "b")
        assert (await dispatch(fleet, "b")).dispatch_reference != sent.dispatch_reference
        booked = await present(fleet, "a")
        assert (booked.state, booked.dispatch_reference) == (LOAD_STATE_DISPATCHED, sent.dispatch_reference)

    async def test_the_own_fleet_accepts_and_a_carrier_is_noted_and_answers_later(self, fleet: FleetAdapter) -> None:
        await propose(fleet, ("a", "truck-1"))
        own = await fleet.tender(TenderLoadRequest(request_id=an_id("t"), load_id=an_id("a")))
        assert own.answer == TENDER_ANSWER_ACCEPTED
        assert own.answer_time == stamp(START)
        offer = TenderLoadRequest(request_id=an_id("u"), load_id=an_id("a"), carrier_scac="ABCD")
        with pytest.raises(InvalidArgument) as refusal:
            await fleet.tender(offer)
        assert refusal.value.violations[0].field == "respond_by_time"
        offer.respond_by_time.CopyFrom(stamp(START + timedelta(minutes=30)))
        noted = await fleet.tender(offer)
        assert noted.answer == TENDER_ANSWER_PENDING
        assert not noted.HasField("answer_time")
        assert (await present(fleet, "a")).state == LOAD_STATE_PLANNED
        assert [v.vehicle_id for v in await fleet.plannable("us", [])] == ["truck-2"]

    async def test_a_carrier_drives_with_a_truck_of_its_own_and_leaves_ours_free(
        self, fleet: FleetAdapter, clock: VirtualClock
    ) -> None:
        await propose(fleet, ("a", "truck-1"))
        asked = AssignLoadRequest(
            request_id=an_id("assign"), load_id=an_id("a"), carrier_scac="ABCD", vehicle_id="T-77", driver_id="joe"
        )
        first = (await fleet.assign(asked)).assignment
        assert (first.epoch, first.vehicle_id, list(first.driver_ids)) == (1, "T-77", ["joe"])
        assert (await fleet.assign(asked)).assignment == first
        assert [v.vehicle_id for v in await fleet.plannable("us", [])] == ["truck-1", "truck-2"]
        sent = await fleet.dispatch(DispatchLoadRequest(request_id=an_id("go"), load_id=an_id("a"), expected_epoch=1))
        again = await fleet.dispatch(DispatchLoadRequest(request_id=an_id("go 2"), load_id=an_id("a")))
        assert sent.dispatch_reference == again.dispatch_reference
        assert sent.dispatch_reference.startswith("ABCD-")
        with pytest.raises(FailedPrecondition) as refusal:
            await fleet.reassign(
                ReassignLoadRequest(
                    request_id=an_id("other"), load_id=an_id("a"), expected_epoch=1, vehicle_id="truck-2"
                )
            )
        assert reason(refusal) == "VEHICLE_UNAVAILABLE"
        clock.advance(timedelta(hours=1))
        ended = (await fleet.complete(CompleteLoadRequest(request_id=an_id("end"), load_id=an_id("a")))).load
        assert (ended.state, ended.carrier_scac) == (LOAD_STATE_COMPLETED, "ABCD")
        assert ended.assignments[0].HasField("end_time")

    async def test_a_carrier_that_names_no_truck_gets_a_name_for_it_and_none_of_ours(self, fleet: FleetAdapter) -> None:
        await propose(fleet, ("a", "truck-1"))
        ours = AssignLoadRequest(request_id=an_id("x"), load_id=an_id("a"), carrier_scac="ABCD", vehicle_id="truck-2")
        with pytest.raises(FailedPrecondition) as refusal:
            await fleet.assign(ours)
        assert reason(refusal) == "VEHICLE_UNAVAILABLE"
        named = AssignLoadRequest(request_id=an_id("y"), load_id=an_id("a"), carrier_scac="ABCD")
        assignment = (await fleet.assign(named)).assignment
        assert assignment.vehicle_id.startswith("ABCD-")
        assert list(assignment.driver_ids) == []
        gone = await fleet.cancel(CancelLoadRequest(request_id=an_id("z"), load_id=an_id("a"), reason="cancelled"))
        assert gone.load.state == LOAD_STATE_CANCELLED

    async def test_listings_filter_and_go_on_after_a_key(self, fleet: FleetAdapter, clock: VirtualClock) -> None:
        for name in ("a", "b"):
            await on_the_road(fleet, name, "truck-1")
            clock.advance(timedelta(minutes=1))
            await fleet.complete(CompleteLoadRequest(request_id=an_id(f"end {name}"), load_id=an_id(name)))
        await propose(fleet, ("c", "truck-2"), request="plan c")
        everything = ListLoadsRequest()
        newest = await fleet.bookings(everything, None, 10)
        assert [b.load.load_id for b in newest] == [an_id("c"), an_id("b"), an_id("a")]
        after = LoadCursor(newest[0].create_time, newest[0].load.load_id)
        assert [b.load.load_id for b in await fleet.bookings(everything, after, 1)] == [an_id("b")]
        planned = await fleet.bookings(ListLoadsRequest(states=[LOAD_STATE_PLANNED]), None, 10)
        assert [b.load.load_id for b in planned] == [an_id("c")]
        drove = await fleet.bookings(ListLoadsRequest(vehicle_id="truck-1"), None, 10)
        assert [b.load.load_id for b in drove] == [an_id("b"), an_id("a")]
        assert await fleet.bookings(ListLoadsRequest(region="eu"), None, 10) == []
        cars = await fleet.vehicles("", available_only=False, after="truck-1", limit=1)
        assert [v.vehicle_id for v in cars] == ["truck-2"]
        free = await fleet.vehicles("us", available_only=True, after="", limit=9)
        assert [v.vehicle_id for v in free] == ["truck-1"]
        await assign(fleet, "c")
        people = await fleet.drivers("", available_only=True, after="", limit=9)
        assert [d.driver_id for d in people] == ["driver-1", "driver-3"]
        with pytest.raises(NotFound) as refusal:
            await fleet.driver("driver-9")
        assert reason(refusal) == "DRIVER_NOT_FOUND"
