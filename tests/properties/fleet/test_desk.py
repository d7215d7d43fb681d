"""Whatever is asked of the desk in whatever order, nobody ever has two loads and epochs have no gaps."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from gladhand.errors import GladhandError
from gladhand.testing import VirtualClock
from logistics.dispatch.v1 import (
    AssignLoadRequest,
    CancelLoadRequest,
    CompleteLoadRequest,
    DispatchLoadRequest,
    ListLoadsRequest,
    PlanLoadsRequest,
    ReassignLoadRequest,
)
from logistics.load.v1.load_pb2 import LOAD_STATE_ASSIGNED, LOAD_STATE_DISPATCHED
from services.fleet_gateway.adapters.fleet_desk import FleetDesk
from services.fleet_gateway.adapters.memory import MemoryBook
from tests.adapters.fleet.samples import DRIVERS, START, VEHICLES, an_id, proposal

LOADS = ["a", "b", "c"]
VEHICLE_IDS = [vehicle.vehicle_id for vehicle in VEHICLES]

steps = st.tuples(
    st.sampled_from(["propose", "assign", "dispatch", "complete", "reassign", "cancel"]),
    st.sampled_from(LOADS),
    st.sampled_from(VEHICLE_IDS),
    st.sampled_from(["", *(driver.driver_id for driver in DRIVERS)]),
    st.integers(0, 30),
)
Step = tuple[str, str, str, str, int]


async def take(desk: FleetDesk, step: Step, number: int) -> None:
    action, name, vehicle_id, driver_id, _ = step
    # Sometimes an id comes again: with the same body it is answered, with another it is refused.
    request_id, load_id = an_id(f"request {number // 2}"), an_id(name)
    match action:
        case "propose":
            asked = PlanLoadsRequest(request_id=an_id(f"plan {name}"), region="us", wave_id=vehicle_id)
            await desk.propose(asked, [proposal(name, vehicle_id)], [])
        case "assign":
            await desk.assign(
                AssignLoadRequest(request_id=request_id, load_id=load_id, vehicle_id=vehicle_id, driver_id=driver_id)
            )
        case "dispatch":
            await desk.dispatch(DispatchLoadRequest(request_id=request_id, load_id=load_id))
        case "complete":
            await desk.complete(CompleteLoadRequest(request_id=request_id, load_id=load_id))
        case "cancel":
            await desk.cancel(CancelLoadRequest(request_id=request_id, load_id=load_id, reason="x"))
        case "reassign":
            epoch = len((await desk.booking(load_id)).load.assignments) or 1
            await desk.reassign(
                ReassignLoadRequest(
                    request_id=request_id,
                    load_id=load_id,
                    expected_epoch=epoch,
                    vehicle_id=vehicle_id,
                    driver_id=driver_id,
                    reason="breakdown",
                )
            )


async def refused(desk: FleetDesk, step: Step, number: int) -> bool:
    """Take a step; return whether the desk refused it, which it does with a reason."""
    try:
        await take(desk, step, number)
    except GladhandError as refusal:
        return bool(refusal.reason)
    return False


async def hold_invariants(desk: FleetDesk) -> None:
    loads = [booking.load for booking in await desk.bookings(ListLoadsRequest(), None, 99)]
    live = [(load, a) for load in loads for a in load.assignments if not a.HasField("end_time")]
    assert all(count == 1 for count in Counter(a.vehicle_id for _, a in live).values())
    assert all(count == 1 for count in Counter(d for _, a in live for d in a.driver_ids).values())
    assert all(count == 1 for count in Counter(load.load_id for load, _ in live).values())
    for load in loads:
        assert [a.epoch for a in load.assignments] == list(range(1, len(load.assignments) + 1))
        on_the_way = load.state in {LOAD_STATE_ASSIGNED, LOAD_STATE_DISPATCHED}
        assert on_the_way == any(each is load for each, _ in live)
    for vehicle_id in VEHICLE_IDS:
        has = [load.load_id for load, a in live if a.vehicle_id == vehicle_id]
        assert (await desk.vehicle(vehicle_id)).load_id == "".join(has)
        if has:
            assert vehicle_id not in [v.vehicle_id for v in await desk.plannable("eu", [])]


@settings(max_examples=60, deadline=None)
@given(st.lists(steps, max_size=25))
def test_nobody_ever_has_two_loads(story: list[Step]) -> None:
    async def live_it() -> None:
        clock = VirtualClock(START)
        desk = FleetDesk(MemoryBook(), clock)
        await desk.register(VEHICLES, DRIVERS)
        for number, step in enumerate(story):
            before = [b.load for b in await desk.bookings(ListLoadsRequest(), None, 99)]
            if await refused(desk, step, number):
                assert [b.load for b in await desk.bookings(ListLoadsRequest(), None, 99)] == before
            await hold_invariants(desk)
            clock.advance(timedelta(minutes=step[4]))

    asyncio.run(live_it())
