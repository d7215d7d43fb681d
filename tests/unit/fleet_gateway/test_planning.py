"""Orders become loads on free vehicles, or come back with the reason."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gladhand.errors import Conflict, Internal, InvalidArgument, RequestIdReused, Unavailable
from gladhand.testing import VirtualClock
from gladhand.validation import check
from logistics.dispatch.v1 import (
    AssignLoadRequest,
    OrderToPlan,
    PlanLoadsRequest,
    PlanLoadsResponse,
)
from logistics.dispatch.v1 import dispatch_service_pb2 as api
from logistics.load.v1 import Load
from logistics.load.v1.load_pb2 import LOAD_STATE_PLANNED, STOP_KIND_DELIVERY, STOP_KIND_PICKUP
from logistics.type.v1 import TimeWindow
from services.fleet_gateway.adapters.fleet_desk import FleetDesk
from services.fleet_gateway.planner.port import PlannerFailed, Problem, Solution
from services.fleet_gateway.planning import Planning, PlanningRules
from tests.adapters.fleet.samples import (
    BANNOCK,
    COLFAX,
    HOTEL,
    START,
    STORE,
    an_id,
    line,
    proposal,
    stamp,
    to_plan,
    vehicle,
    window,
)
from tests.unit.fleet_gateway.direct import MATRIX

HOUR = timedelta(hours=1)


def asked(*orders: OrderToPlan, name: str = "plan", **fields: object) -> PlanLoadsRequest:
    given: dict[str, object] = {"request_id": an_id(name), "region": "us", "orders": orders}
    request = PlanLoadsRequest(**(given | fields))  # type: ignore[arg-type]
    check(request)
    return request


def shape(load: Load) -> list[tuple[str, int]]:
    """The stops of a load: where, and how many tasks."""
    return [(stop.location.name, len(stop.tasks)) for stop in load.stops]


def reasons(answer: PlanLoadsResponse) -> dict[str, int]:
    return {each.order_id: each.reason for each in answer.unassigned}


async def test_several_orders_share_a_truck(planning: Planning) -> None:
    two_places = to_plan("b", [line("1", ship_to=COLFAX), line("2", ship_to=HOTEL)])
    answer = await planning.plan(asked(to_plan("a"), two_places, to_plan("c", ship_to=COLFAX), wave_id="wave-1"))
    assert reasons(answer) == {}
    (load,) = answer.loads
    check(load)
    assert shape(load)[0] == ("Hampden Distribution Center", 4)
    assert sorted(shape(load)[1:]) == sorted([(STORE.name, 1), (HOTEL.name, 1), (COLFAX.name, 2)])
    assert [stop.kind for stop in load.stops] == [STOP_KIND_PICKUP, *[STOP_KIND_DELIVERY] * 3]
    assert [stop.sequence for stop in load.stops] == [1, 2, 3, 4]
    assert [stop.pod_required for stop in load.stops] == [False, True, True, True]
    times = [t for s in load.stops for t in (s.planned_arrival_time, s.planned_departure_time)]
    assert [t.ToDatetime() for t in times] == sorted(t.ToDatetime() for t in times)
    assert min(t.ToDatetime(START.tzinfo) for t in times) >= START
    assert load.stops[0].service_duration.seconds == 300 + 4 * 120
    assert (load.plan_version, load.state, load.wave_id) == (1, LOAD_STATE_PLANNED, "wave-1")
    assert (load.figures.planner, load.figures.matrix) == ("vroom", "great-circle x1.3 40 km/h")
    assert 15_000 < load.figures.distance_m < 40_000
    assert all(task.expected.value == "4" and task.sku for stop in load.stops for task in stop.tasks)


async def test_capacity_sends_a_second_truck(planning: Planning) -> None:
    heavy = [to_plan(name, [line("1", kilograms="600")]) for name in "ab"]
    answer = await planning.plan(asked(*heavy))
    assert [load.planned_vehicle_id for load in answer.loads] == ["truck-1", "truck-2"]
    bulky = [to_plan(name, [line("1", cubic_metres="6")]) for name in "cd"]
    answer = await planning.plan(asked(*bulky, name="second"))
    assert list(reasons(answer).values()) == [api.SKIP_REASON_NO_VEHICLE] * 2


async def test_a_load_is_one_trip_that_serves_the_near_ones_first(planning: Planning) -> None:
    answer = await planning.plan(asked(to_plan("far", ship_to=COLFAX), to_plan("near")))
    (load,) = answer.loads
    assert shape(load) == [("Hampden Distribution Center", 2), (STORE.name, 1), (COLFAX.name, 1)]
    heavy = [to_plan(f"heavy {n}", [line("1", kilograms="600")]) for n in range(3)]
    answer = await planning.plan(asked(*heavy, name="heavy", region="eu"))
    assert [load.planned_vehicle_id for load in answer.loads] == ["truck-2", "truck-3"]
    assert [len(load.stops) for load in answer.loads] == [2, 2]
    assert list(reasons(answer).values()) == [api.SKIP_REASON_NO_CAPACITY_LEFT]


async def test_goods_of_two_warehouses_may_share_a_truck(planning: Planning) -> None:
    both = [to_plan("a", ship_to=HOTEL), to_plan("b", ship_from=BANNOCK, ship_to=HOTEL)]
    answer = await planning.plan(asked(*both, vehicle_ids=["truck-1"]))
    (load,) = answer.loads
    assert shape(load) == [("Hampden Distribution Center", 1), ("Bannock Street Depot", 1), (HOTEL.name, 2)]


async def test_each_obstacle_has_its_reason(planning: Planning) -> None:
    cases = {
        "heavy": (to_plan("heavy", [line("1", kilograms="1000.001")]), api.SKIP_REASON_DEMAND_EXCEEDS_VEHICLE_CAPACITY),
        "huge": (to_plan("huge", [line("1", kilograms="9" * 18)]), api.SKIP_REASON_DEMAND_EXCEEDS_VEHICLE_CAPACITY),
        "crane": (to_plan("crane", features=["crane"]), api.SKIP_REASON_FEATURE_MISSING),
        "past": (to_plan("past", delivery_window=window(-2 * HOUR, -HOUR)), api.SKIP_REASON_WINDOW_IMPOSSIBLE),
        "soon": (to_plan("soon", delivery_window=window(-HOUR, HOUR / 6)), api.SKIP_REASON_WINDOW_IMPOSSIBLE),
        "later": (to_plan("later", delivery_window=window(11 * HOUR, 12 * HOUR)), api.SKIP_REASON_WINDOW_IMPOSSIBLE),
    }
    answer = await planning.plan(asked(*(order for order, _ in cases.values()), to_plan("fine")))
    assert reasons(answer) == {an_id(name): reason for name, (_, reason) in cases.items()}
    assert all(each.message and list(each.line_ids) == ["1"] for each in answer.unassigned)
    assert [shape(load) for load in answer.loads] == [[("Hampden Distribution Center", 1), (STORE.name, 1)]]


async def test_who_does_not_fit_any_more_waits_and_priority_goes_first(planning: Planning) -> None:
    full = [to_plan(name, [line("1", kilograms="900")]) for name in "abc"]
    urgent = to_plan("urgent", [line("1", kilograms="900")], priority=100)
    answer = await planning.plan(asked(*full, urgent))
    assert len(answer.loads) == 2
    assert set(reasons(answer).values()) == {api.SKIP_REASON_NO_CAPACITY_LEFT}
    assert an_id("urgent") not in reasons(answer)


async def test_windows_are_kept_and_soft_ones_only_where_it_can_be(planning: Planning) -> None:
    exact = window(2 * HOUR, 2 * HOUR + timedelta(minutes=1))
    answer = await planning.plan(
        asked(
            to_plan("exact", delivery_window=exact),
            to_plan("wish", ship_to=COLFAX, delivery_window=window(-2 * HOUR, -HOUR, hard=False)),
        )
    )
    assert reasons(answer) == {}
    stops = {stop.location.name: stop for load in answer.loads for stop in load.stops}
    begin = stops[STORE.name].planned_departure_time.ToDatetime(START.tzinfo)
    begin -= stops[STORE.name].service_duration.ToTimedelta()
    assert START + 2 * HOUR <= begin < START + 2 * HOUR + timedelta(minutes=1)
    assert stops[STORE.name].window == exact
    assert stops[COLFAX.name].window.end_time == stamp(START - HOUR)


async def test_taken_vehicles_are_left_out(planning: Planning, desk: FleetDesk) -> None:
    first = await planning.plan(asked(to_plan("a"), name="one"))
    assert [load.planned_vehicle_id for load in first.loads] == ["truck-1"]
    await desk.assign(AssignLoadRequest(request_id=an_id("x"), load_id=first.loads[0].load_id))
    second = await planning.plan(asked(to_plan("b"), name="two"))
    assert [load.planned_vehicle_id for load in second.loads] == ["truck-2"]
    third = await planning.plan(asked(to_plan("c"), name="three"))
    assert list(third.loads) == []
    assert reasons(third) == {an_id("c"): api.SKIP_REASON_NO_VEHICLE}


async def test_the_choice_of_vehicles_and_their_home_count(planning: Planning) -> None:
    answer = await planning.plan(asked(to_plan("a"), vehicle_ids=["truck-2"]))
    assert [load.planned_vehicle_id for load in answer.loads] == ["truck-2"]
    near = await planning.plan(asked(to_plan("b", ship_from=BANNOCK, ship_to=HOTEL), region="eu", name="eu"))
    assert [load.planned_vehicle_id for load in near.loads] == ["truck-3"]


async def test_the_same_request_gives_the_same_plan(planning: Planning, desk: FleetDesk, clock: VirtualClock) -> None:
    request = asked(to_plan("a"), to_plan("b", ship_to=COLFAX))
    first = await planning.plan(request)
    clock.advance(HOUR)
    assert await planning.plan(request) == first
    request.horizon.start_time.CopyFrom(stamp(clock.now()))
    request.orders[0].order.version = 7
    assert await planning.plan(request) == first
    with pytest.raises(RequestIdReused):
        await planning.plan(asked(to_plan("a")))
    assert len(await desk.bookings(api.ListLoadsRequest(), None, 9)) == 1


@pytest.mark.parametrize(
    ("horizon", "word"),
    [
        (TimeWindow(end_time=stamp(START)), "before any vehicle"),
        (TimeWindow(start_time=stamp(START + HOUR), end_time=stamp(START + HOUR / 2)), "start_time must be before"),
        (TimeWindow(end_time=stamp(START + timedelta(days=30))), "longer than"),
    ],
)
async def test_an_impossible_horizon_is_refused(planning: Planning, horizon: TimeWindow, word: str) -> None:
    request = PlanLoadsRequest(request_id=an_id("p"), region="us", orders=[to_plan("a")], horizon=horizon)
    with pytest.raises(InvalidArgument, match=word):
        await _checked(planning, request)


async def _checked(planning: Planning, request: PlanLoadsRequest) -> PlanLoadsResponse:
    check(request)
    return await planning.plan(request)


async def test_the_horizon_bounds_the_day(planning: Planning) -> None:
    start = START + 3 * HOUR
    horizon = TimeWindow(start_time=stamp(start), end_time=stamp(start + HOUR / 2))
    answer = await planning.plan(asked(to_plan("a"), horizon=horizon))
    assert reasons(answer) == {an_id("a"): api.SKIP_REASON_WINDOW_IMPOSSIBLE}
    horizon.end_time.CopyFrom(stamp(start + 2 * HOUR))
    answer = await planning.plan(asked(to_plan("a"), horizon=horizon, name="longer"))
    assert answer.loads[0].stops[0].planned_arrival_time.ToDatetime(START.tzinfo) >= start


class Failing:
    """A planner that raises."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def plan(self, problem: Problem) -> Solution:
        raise self._error


@pytest.mark.parametrize(
    ("error", "kind"), [(PlannerFailed("odd"), Internal), (TimeoutError(), Unavailable)], ids=["failed", "slow"]
)
async def test_a_failing_planner_books_nothing(
    desk: FleetDesk, clock: VirtualClock, error: Exception, kind: type[Exception]
) -> None:
    planning = Planning(desk, Failing(error), MATRIX, clock, PlanningRules())
    with pytest.raises(kind):
        await planning.plan(asked(to_plan("a")))
    assert await desk.bookings(api.ListLoadsRequest(), None, 9) == []


class Racing(Failing):
    """A planner that takes so long that somebody else gets the vehicle, a number of times."""

    def __init__(self, desk: FleetDesk, times: int, inner: Planning) -> None:
        self._desk, self._times, self._inner = desk, times, inner
        self.asked = 0

    async def plan(self, problem: Problem) -> Solution:
        self.asked += 1
        if self.asked <= self._times:
            request = PlanLoadsRequest(request_id=an_id(f"racer {self.asked}"), region="us")
            await self._desk.propose(request, [proposal(f"racer {self.asked}", problem.trucks[0].key)], [])
        return await self._inner._planner.plan(problem)


async def test_a_lost_vehicle_is_planned_around(desk: FleetDesk, clock: VirtualClock, planning: Planning) -> None:
    racing = Racing(desk, 1, planning)
    again = Planning(desk, racing, MATRIX, clock, PlanningRules())
    answer = await again.plan(asked(to_plan("a")))
    assert [load.planned_vehicle_id for load in answer.loads] == ["truck-2"]
    assert racing.asked == 2


async def test_planning_gives_up_where_every_vehicle_is_lost(
    desk: FleetDesk, clock: VirtualClock, planning: Planning
) -> None:
    await desk.register([vehicle("truck-4", usual_driver_id="")], [])
    racing = Racing(desk, 9, planning)
    again = Planning(desk, racing, MATRIX, clock, PlanningRules())
    with pytest.raises(Conflict):
        await again.plan(asked(to_plan("a")))
    assert racing.asked == 3
