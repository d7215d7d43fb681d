"""A new plan keeps what is locked, and the ids of what is not."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gladhand.errors import Conflict, FailedPrecondition, InvalidArgument
from gladhand.testing import VirtualClock
from gladhand.validation import check
from logistics.dispatch.v1 import (
    AssignLoadRequest,
    DispatchLoadRequest,
    PlanLoadsRequest,
    ReplanLoadRequest,
    SkipReason,
)
from logistics.load.v1 import Load
from logistics.load.v1.load_pb2 import LOAD_STATE_DISPATCHED, STOP_KIND_PICKUP
from logistics.type.v1 import GeoPoint
from services.fleet_gateway.adapters.fleet_desk import FleetDesk
from services.fleet_gateway.planning import Planning
from tests.adapters.fleet.samples import COLFAX, HAMPDEN, HOTEL, START, STORE, an_id, line, to_plan, window

HOUR = timedelta(hours=1)


@pytest.fixture
async def load(planning: Planning, desk: FleetDesk) -> Load:
    """A dispatched load: pickup, then the store, the hotel and Colfax."""
    orders = [to_plan("a"), to_plan("b", ship_to=COLFAX), to_plan("c", ship_to=HOTEL)]
    request = PlanLoadsRequest(request_id=an_id("plan"), region="us", orders=orders)
    (planned,) = (await planning.plan(request)).loads
    await desk.assign(AssignLoadRequest(request_id=an_id("assign"), load_id=planned.load_id))
    await desk.dispatch(DispatchLoadRequest(request_id=an_id("send"), load_id=planned.load_id))
    assert [stop.location.name for stop in planned.stops] == [HAMPDEN.name, STORE.name, HOTEL.name, COLFAX.name]
    return planned


def asked(load: Load, locked: int, name: str = "replan", **fields: object) -> ReplanLoadRequest:
    given: dict[str, object] = {
        "request_id": an_id(name),
        "load_id": load.load_id,
        "expected_plan_version": 1,
        "locked_stop_ids": [stop.stop_id for stop in load.stops[:locked]],
    }
    request = ReplanLoadRequest(**(given | fields))  # type: ignore[arg-type]
    check(request)
    return request


def order_ids(load: Load) -> list[set[str]]:
    return [{task.order_id for task in stop.tasks} for stop in load.stops]


async def test_locked_stops_stay_and_open_ones_keep_their_ids(
    planning: Planning, load: Load, clock: VirtualClock
) -> None:
    clock.advance(timedelta(minutes=30))
    east = GeoPoint(latitude=39.7383, longitude=-104.9552)
    answer = await planning.replan(asked(load, 2, position=east, reason="traffic"))
    new = answer.load
    check(new)
    assert (new.plan_version, new.state) == (2, LOAD_STATE_DISPATCHED)
    assert list(new.stops[:2]) == list(load.stops[:2])
    assert [stop.stop_id for stop in new.stops[2:]] == [load.stops[3].stop_id, load.stops[2].stop_id]
    assert [stop.sequence for stop in new.stops] == [1, 2, 3, 4]
    assert new.stops[2].planned_arrival_time.ToDatetime(START.tzinfo) >= clock.now()
    assert new.figures.distance_m > 0
    assert await planning.replan(asked(load, 2, position=east, reason="traffic")) == answer


async def test_nothing_locked_gives_a_whole_new_plan(planning: Planning, load: Load) -> None:
    new = (await planning.replan(asked(load, 0))).load
    assert [stop.stop_id for stop in new.stops] == [stop.stop_id for stop in load.stops]
    assert order_ids(new) == order_ids(load)


async def test_dropped_orders_leave_their_stops(planning: Planning, load: Load) -> None:
    new = (await planning.replan(asked(load, 1, dropped_order_ids=[an_id("b")]))).load
    assert [stop.location.name for stop in new.stops] == [HAMPDEN.name, STORE.name, HOTEL.name]
    assert new.stops[0] == load.stops[0]
    again = asked(load, 0, "second", expected_plan_version=2, dropped_order_ids=[an_id("a"), an_id("c")])
    with pytest.raises(FailedPrecondition, match="no stops") as refusal:
        await planning.replan(again)
    assert refusal.value.reason == "NOT_PLANNABLE"


async def test_added_orders_are_picked_up_and_new_stops_get_new_ids(
    planning: Planning, load: Load, desk: FleetDesk
) -> None:
    more = to_plan("d", [line("1", kilograms="50")], ship_to=COLFAX)
    new = (await planning.replan(asked(load, 1, added_orders=[more]))).load
    check(new)
    old = {stop.stop_id for stop in load.stops}
    (pickup,) = [stop for stop in new.stops if stop.stop_id not in old]
    assert (pickup.kind, pickup.location.name) == (STOP_KIND_PICKUP, HAMPDEN.name)
    (colfax,) = [stop for stop in new.stops if stop.location.name == COLFAX.name]
    assert colfax.stop_id == load.stops[3].stop_id
    assert {task.order_id for task in colfax.tasks} == {an_id("b"), an_id("d")}
    assert (await desk.booking(load.load_id)).load == new


@pytest.mark.parametrize(
    ("more", "skip"),
    [
        (to_plan("d", [line("1", kilograms="800")]), "NO_CAPACITY_LEFT"),
        (to_plan("d", [line("1", kilograms="1800")]), "DEMAND_EXCEEDS_VEHICLE_CAPACITY"),
        (to_plan("d", features=["crane"]), "FEATURE_MISSING"),
        (to_plan("d", delivery_window=window(-2 * HOUR, -HOUR)), "WINDOW_IMPOSSIBLE"),
    ],
)
async def test_a_plan_that_leaves_something_out_is_refused(
    planning: Planning, load: Load, desk: FleetDesk, more: object, skip: str
) -> None:
    # Delivering everything first and driving home for more would fit; the day is over before that.
    request = asked(load, 1, added_orders=[more])
    request.start_time.FromDatetime(START + 8.4 * HOUR)
    with pytest.raises(FailedPrecondition) as refusal:
        await planning.replan(request)
    assert (refusal.value.reason, refusal.value.metadata["skip"]) == ("NOT_PLANNABLE", skip)
    assert (await desk.booking(load.load_id)).load.plan_version == 1


async def test_only_the_first_stops_can_be_locked(planning: Planning, load: Load) -> None:
    with pytest.raises(InvalidArgument) as refusal:
        await planning.replan(asked(load, 0, locked_stop_ids=[load.stops[2].stop_id]))
    assert refusal.value.violations[0].field == "locked_stop_ids"
    with pytest.raises(InvalidArgument):
        await planning.replan(asked(load, 0, "two", locked_stop_ids=[an_id("elsewhere")]))


async def test_everything_locked_only_counts_up(planning: Planning, load: Load) -> None:
    new = (await planning.replan(asked(load, 4))).load
    assert list(new.stops) == list(load.stops)
    assert new.plan_version == 2


async def test_another_plan_in_force_is_a_conflict(planning: Planning, load: Load) -> None:
    with pytest.raises(Conflict) as refusal:
        await planning.replan(asked(load, 1, expected_plan_version=3))
    assert refusal.value.reason == "PLAN_VERSION_CONFLICT"


async def test_a_proposal_is_made_and_not_booked_until_it_is_handed_back(
    planning: Planning, load: Load, desk: FleetDesk, clock: VirtualClock
) -> None:
    clock.advance(timedelta(minutes=30))
    east = GeoPoint(latitude=39.7383, longitude=-104.9552)
    made = (await planning.replan(asked(load, 2, position=east, proposal_only=True))).load
    assert (made.plan_version, (await desk.booking(load.load_id)).load) == (2, await _assigned(desk, load))
    assert [stop.stop_id for stop in made.stops[2:]] == [load.stops[3].stop_id, load.stops[2].stop_id]
    taken = await planning.replan(asked(load, 2, "offer", proposed_load=made))
    assert (taken.pending, list(taken.load.stops), taken.load.state) == (False, list(made.stops), LOAD_STATE_DISPATCHED)
    assert (await desk.booking(load.load_id)).load == taken.load
    assert await planning.replan(asked(load, 2, "offer", proposed_load=made)) == taken
    with pytest.raises(Conflict):
        await planning.replan(asked(load, 2, "late", proposed_load=made))
    with pytest.raises(InvalidArgument):
        await planning.replan(
            asked(
                load, 0, "moved", expected_plan_version=2, locked_stop_ids=[load.stops[3].stop_id], proposed_load=made
            )
        )


async def _assigned(desk: FleetDesk, load: Load) -> Load:
    found = (await desk.booking(load.load_id)).load
    assert found.plan_version == 1
    return found


async def test_a_proposal_leaves_out_what_cannot_be_served_with_the_optimisers_reason(
    planning: Planning, load: Load, desk: FleetDesk
) -> None:
    heavy = to_plan("d", [line("1", kilograms="1800")])
    answer = await planning.replan(asked(load, 1, added_orders=[heavy], proposal_only=True))
    [left] = answer.unassigned
    assert (left.order_id, SkipReason.Name(left.reason), list(left.line_ids)) == (
        an_id("d"), "SKIP_REASON_DEMAND_EXCEEDS_VEHICLE_CAPACITY", ["1"],
    )  # fmt: skip
    assert [stop.stop_id for stop in answer.load.stops] == [stop.stop_id for stop in load.stops]


async def test_goods_that_are_not_on_board_may_be_left_out_and_goods_on_board_may_not(
    planning: Planning, load: Load, desk: FleetDesk
) -> None:
    # The day is over before anything could be brought anywhere.
    late = asked(load, 0, "late", proposal_only=True)
    late.start_time.FromDatetime(START + 9.9 * HOUR)
    with pytest.raises(FailedPrecondition, match="no stops"):
        await planning.replan(late)
    aboard = asked(load, 1, "aboard", proposal_only=True)
    aboard.start_time.FromDatetime(START + 9.9 * HOUR)
    with pytest.raises(FailedPrecondition, match="the old plan stays in force") as refusal:
        await planning.replan(aboard)
    assert refusal.value.metadata["unserved"] == "3"
