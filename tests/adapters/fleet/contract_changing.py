"""What every fleet adapter must keep when loads end or change hands, and when devices move."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gladhand.errors import (
    Conflict,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
)
from gladhand.testing import VirtualClock
from logistics.dispatch.v1 import (
    CancelLoadRequest,
    CompleteLoadRequest,
    ReassignLoadRequest,
    ReplanLoadRequest,
    ResolveDeviceRequest,
    SetVehicleStatusRequest,
)
from logistics.fleet.v1 import TelematicsDevice
from logistics.fleet.v1.driver_pb2 import DRIVER_STATUS_AVAILABLE
from logistics.fleet.v1.vehicle_pb2 import (
    VEHICLE_STATUS_AVAILABLE,
    VEHICLE_STATUS_MAINTENANCE,
    VEHICLE_STATUS_OUT_OF_SERVICE,
    VehicleStatus,
)
from logistics.load.v1.load_pb2 import (
    LOAD_STATE_ASSIGNED,
    LOAD_STATE_CANCELLED,
    LOAD_STATE_COMPLETED,
    LOAD_STATE_DISPATCHED,
)
from services.fleet_gateway.adapters.port import FleetAdapter
from tests.adapters.fleet.samples import START, an_id, stamp, vehicle
from tests.adapters.fleet.steps import Registering, assign, dispatch, on_the_road, present, propose, reason


class Changing:
    """The suite."""

    async def test_a_broken_vehicle_is_not_dispatched(self, fleet: FleetAdapter) -> None:
        await propose(fleet, ("a", "truck-1"))
        await assign(fleet, "a")
        broken = SetVehicleStatusRequest(
            request_id=an_id("broken"),
            vehicle_id="truck-1",
            status=VEHICLE_STATUS_OUT_OF_SERVICE,
            reason="engine",
        )
        assert (await fleet.set_vehicle_status(broken)).vehicle.status == VEHICLE_STATUS_OUT_OF_SERVICE
        with pytest.raises(FailedPrecondition) as refusal:
            await dispatch(fleet, "a")
        assert reason(refusal) == "VEHICLE_UNAVAILABLE"

    async def test_completing_frees_vehicle_and_driver(self, fleet: FleetAdapter, clock: VirtualClock) -> None:
        await on_the_road(fleet, "a", "truck-1")
        clock.advance(timedelta(hours=2))
        late = CompleteLoadRequest(
            request_id=an_id("late"), load_id=an_id("a"), complete_time=stamp(START + timedelta(days=1))
        )
        with pytest.raises(InvalidArgument) as refusal:
            await fleet.complete(late)
        assert [v.field for v in refusal.value.violations] == ["complete_time"]
        at = stamp(START + timedelta(hours=1))
        done = await fleet.complete(CompleteLoadRequest(request_id=an_id("end"), load_id=an_id("a"), complete_time=at))
        assert done.load.state == LOAD_STATE_COMPLETED
        assert done.load.assignments[0].end_time == at
        assert (await fleet.vehicle("truck-1")).status == VEHICLE_STATUS_AVAILABLE
        assert (await fleet.driver("driver-1")).status == DRIVER_STATUS_AVAILABLE
        again = CompleteLoadRequest(request_id=an_id("again"), load_id=an_id("a"))
        assert (await fleet.complete(again)).load == done.load
        with pytest.raises(FailedPrecondition) as cancel:
            await fleet.cancel(CancelLoadRequest(request_id=an_id("c"), load_id=an_id("a"), reason="late"))
        assert reason(cancel) == "CANCEL_NOT_POSSIBLE"

    async def test_only_a_dispatched_load_is_completed(self, fleet: FleetAdapter) -> None:
        await propose(fleet, ("a", "truck-1"))
        with pytest.raises(FailedPrecondition) as refusal:
            await fleet.complete(CompleteLoadRequest(request_id=an_id("end"), load_id=an_id("a")))
        assert reason(refusal) == "TRANSITION_NOT_ALLOWED"
        with pytest.raises(NotFound):
            await fleet.complete(CompleteLoadRequest(request_id=an_id("end"), load_id=an_id("z")))

    @pytest.mark.parametrize("steps", [0, 1, 2])
    async def test_cancelling_frees_whoever_was_to_drive(self, fleet: FleetAdapter, steps: int) -> None:
        await propose(fleet, ("a", "truck-1"))
        for step in (assign, dispatch)[:steps]:
            await step(fleet, "a")
        gone = await fleet.cancel(CancelLoadRequest(request_id=an_id("c"), load_id=an_id("a"), reason="customer"))
        assert gone.load.state == LOAD_STATE_CANCELLED
        assert [v.vehicle_id for v in await fleet.plannable("us", [])] == ["truck-1", "truck-2"]
        twice = CancelLoadRequest(request_id=an_id("again"), load_id=an_id("a"), reason="customer")
        assert (await fleet.cancel(twice)).load == gone.load
        with pytest.raises(FailedPrecondition):
            await assign(fleet, "a", "after")

    async def test_reassigning_begins_the_next_epoch_and_ends_the_one_before(
        self, fleet: FleetAdapter, clock: VirtualClock
    ) -> None:
        await on_the_road(fleet, "a", "truck-1")
        first = (await present(fleet, "a")).dispatch_reference
        now = clock.advance(timedelta(minutes=30))
        asked = ReassignLoadRequest(
            request_id=an_id("re"),
            load_id=an_id("a"),
            expected_epoch=1,
            vehicle_id="truck-2",
            driver_id="driver-2",
            reason="breakdown",
            vehicle_out_of_service=True,
        )
        answer = await fleet.reassign(asked)
        assert await fleet.reassign(asked) == answer
        assert (answer.assignment.epoch, answer.assignment.vehicle_id) == (2, "truck-2")
        assert answer.assignment.reason == "breakdown"
        assert (answer.ended_assignment.epoch, answer.ended_assignment.end_time) == (1, stamp(now))
        booked = await present(fleet, "a")
        assert booked.state == LOAD_STATE_ASSIGNED
        assert [a.HasField("end_time") for a in booked.assignments] == [True, False]
        assert (await fleet.vehicle("truck-1")).status == VEHICLE_STATUS_OUT_OF_SERVICE
        assert (await fleet.vehicle("truck-1")).load_id == ""
        assert (await fleet.driver("driver-1")).status == DRIVER_STATUS_AVAILABLE
        sent = await dispatch(fleet, "a", "second dispatch", expected_epoch=2)
        assert sent.dispatch_reference != first

    async def test_reassigning_is_refused_where_it_does_not_fit(self, fleet: FleetAdapter) -> None:
        await on_the_road(fleet, "a", "truck-1")
        await on_the_road(fleet, "b", "truck-2")

        def asked(request: str, epoch: int = 1, **who: str) -> ReassignLoadRequest:
            return ReassignLoadRequest(
                request_id=an_id(request),
                load_id=an_id("a"),
                expected_epoch=epoch,
                vehicle_id=who.get("vehicle_id", ""),
                driver_id=who.get("driver_id", ""),
                reason="breakdown",
            )

        with pytest.raises(FailedPrecondition) as refusal:
            await fleet.reassign(asked("r1", 2, vehicle_id="truck-3"))
        assert reason(refusal) == "EPOCH_MISMATCH"
        with pytest.raises(FailedPrecondition) as refusal:
            await fleet.reassign(asked("r2", vehicle_id="truck-2"))
        assert refusal.value.metadata["load_id"] == an_id("b")
        with pytest.raises(FailedPrecondition) as refusal:
            await fleet.reassign(asked("r3", driver_id="driver-2"))
        assert refusal.value.metadata["driver_id"] == "driver-2"
        with pytest.raises(InvalidArgument):
            await fleet.reassign(asked("r4", vehicle_id="truck-1"))
        answer = await fleet.reassign(asked("r5", vehicle_id="truck-3"))
        assert list(answer.assignment.driver_ids) == ["driver-1"]

    async def test_a_new_plan_needs_the_plan_it_replaces(self, fleet: FleetAdapter) -> None:
        await on_the_road(fleet, "a", "truck-1")
        new = await present(fleet, "a")
        new.stops[1].instructions = "back door"
        asked = ReplanLoadRequest(request_id=an_id("r1"), load_id=an_id("a"), expected_plan_version=1)
        answer = await fleet.replan(asked, new, frozenset({"tail_lift"}))
        assert await fleet.replan(asked, new, frozenset()) == answer
        booking = await fleet.booking(an_id("a"))
        assert booking.load == answer.load
        assert (answer.load.plan_version, answer.load.state) == (2, LOAD_STATE_DISPATCHED)
        assert answer.load.stops[1].instructions == "back door"
        assert booking.features == {"tail_lift"}
        second = ReplanLoadRequest(request_id=an_id("r2"), load_id=an_id("a"), expected_plan_version=1)
        with pytest.raises(Conflict) as refusal:
            await fleet.replan(second, new, frozenset())
        assert refusal.value.metadata == {"expected": "1", "in_force": "2"}
        await fleet.cancel(CancelLoadRequest(request_id=an_id("c"), load_id=an_id("a"), reason="x"))
        with pytest.raises(FailedPrecondition):
            await fleet.replan(
                ReplanLoadRequest(request_id=an_id("r3"), load_id=an_id("a"), expected_plan_version=2), new, frozenset()
            )

    async def test_a_device_leads_to_the_vehicle_and_load_of_its_time(
        self, fleet: FleetAdapter, registering: Registering, clock: VirtualClock
    ) -> None:
        moved = START + timedelta(hours=3)
        one = TelematicsDevice(provider="traccar", device_id="moving", valid_to_time=stamp(moved))
        two = TelematicsDevice(provider="traccar", device_id="moving", valid_from_time=stamp(moved))
        await registering.register(
            [vehicle("truck-1", telematics_devices=[one]), vehicle("truck-2", telematics_devices=[two])], []
        )
        await on_the_road(fleet, "a", "truck-1")
        clock.advance(timedelta(hours=1))
        await fleet.complete(CompleteLoadRequest(request_id=an_id("end"), load_id=an_id("a")))
        clock.advance(timedelta(hours=1))
        await on_the_road(fleet, "b", "truck-1")

        async def at(hours: float) -> tuple[str, str, int]:
            when = stamp(START + timedelta(hours=hours))
            found = await fleet.resolve(ResolveDeviceRequest(device_id="moving", at_time=when))
            return found.vehicle_id, found.load_id, found.assignment.epoch

        assert await at(-0.1) == ("truck-1", "", 0)
        assert await at(0) == ("truck-1", an_id("a"), 1)
        assert await at(0.99) == ("truck-1", an_id("a"), 1)
        assert await at(1) == ("truck-1", "", 0)
        assert await at(2.5) == ("truck-1", an_id("b"), 1)
        assert await at(3) == ("truck-2", "", 0)
        with pytest.raises(NotFound) as refusal:
            await fleet.resolve(ResolveDeviceRequest(device_id="moving", provider="osmand"))
        assert reason(refusal) == "DEVICE_UNKNOWN"

    async def test_a_device_id_of_two_vendors_needs_the_vendor(
        self, fleet: FleetAdapter, registering: Registering
    ) -> None:
        for name, provider in [("truck-1", "osmand"), ("truck-2", "traccar")]:
            device = TelematicsDevice(provider=provider, device_id="7")
            await registering.register([vehicle(name, telematics_devices=[device])], [])
        with pytest.raises(InvalidArgument) as refusal:
            await fleet.resolve(ResolveDeviceRequest(device_id="7"))
        assert [v.field for v in refusal.value.violations] == ["provider"]
        found = await fleet.resolve(ResolveDeviceRequest(device_id="7", provider="traccar"))
        assert found.vehicle_id == "truck-2"

    async def test_registering_again_keeps_the_status(self, fleet: FleetAdapter, registering: Registering) -> None:
        def asked(request: str, status: VehicleStatus.ValueType) -> SetVehicleStatusRequest:
            return SetVehicleStatusRequest(
                request_id=an_id(request), vehicle_id="truck-1", status=status, reason="engine"
            )

        await fleet.set_vehicle_status(asked("off", VEHICLE_STATUS_OUT_OF_SERVICE))
        await registering.register([vehicle("truck-1", display_name="Renamed")], [])
        found = await fleet.vehicle("truck-1")
        assert (found.status, found.display_name) == (VEHICLE_STATUS_OUT_OF_SERVICE, "Renamed")
        assert [v.vehicle_id for v in await fleet.plannable("us", [])] == ["truck-2"]
        await fleet.set_vehicle_status(asked("on", VEHICLE_STATUS_AVAILABLE))
        await on_the_road(fleet, "a", "truck-1")
        with pytest.raises(FailedPrecondition) as refusal:
            await fleet.set_vehicle_status(asked("shop", VEHICLE_STATUS_MAINTENANCE))
        assert refusal.value.metadata["load_id"] == an_id("a")
