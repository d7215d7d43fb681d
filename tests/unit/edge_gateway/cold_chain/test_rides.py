"""Which goods ride on which vehicle from when to when."""

from __future__ import annotations

from google.protobuf.message import Message

from gladhand.envelope import EnvelopeType
from logistics.load.v1 import (
    STOP_KIND_DELIVERY,
    STOP_KIND_PICKUP,
    STOP_STATE_DEPARTED,
    Assignment,
    Load,
    LoadAssigned,
    LoadCancelled,
    LoadEvent,
    LoadHandedOver,
    LoadPlanned,
    LoadReassigned,
    LoadReassignmentFailed,
    LoadReplanned,
    Stop,
    StopCompleted,
    StopDeparted,
    StopFailed,
    StopKind,
    StopTask,
    StopTime,
)
from logistics.type.v1 import TemperatureProfile
from services.edge_gateway.cold_chain.rides import Leg, Rides

KIND = EnvelopeType.of(LoadEvent)
SECOND = 1_000_000_000
COLD = TemperatureProfile(min_celsius=2, max_celsius=8)


def stop(stop_id: str, kind: StopKind.ValueType, *lines: str) -> Stop:
    tasks = [StopTask(order_id="O", line_id=line, profile=COLD if line != "dry" else None) for line in lines]
    return Stop(stop_id=stop_id, kind=kind, tasks=tasks)


PLAN = LoadPlanned(
    load=Load(
        load_id="L",
        stops=[
            stop("P", STOP_KIND_PICKUP, "a", "b", "dry"),
            stop("A", STOP_KIND_DELIVERY, "a"),
            stop("B", STOP_KIND_DELIVERY, "b", "dry"),
        ],
    )
)


def time(second: int) -> StopTime:
    told = StopTime()
    told.time.seconds = second
    return told


def turn(vehicle: str, epoch: int, start: int) -> Assignment:
    assignment = Assignment(vehicle_id=vehicle, epoch=epoch)
    assignment.start_time.seconds = start
    return assignment


def told(*bodies: tuple[int, Message]) -> Rides:
    rides = Rides()
    for version, (at, body) in enumerate(bodies, 1):
        event = KIND.wrap(body)
        event.load_id, event.version, event.occur_time.seconds = "L", version, at
        rides.apply(event)
        assert not rides.apply(event), "a known event changes nothing"
    return rides


BEGUN = ((0, PLAN), (1, LoadAssigned(assignment=turn("V1", 1, 1))), (10, StopDeparted(stop_id="P", time=time(9))))


def spans(rides: Rides) -> dict[str, tuple[int, int | None]]:
    return {
        ride.key.line_id: (ride.span.start // SECOND, None if ride.span.end is None else ride.span.end // SECOND)
        for ride in rides.of_load("L")
    }


def legs(rides: Rides, line: str = "b") -> list[tuple[str, int, int | None]]:
    (ride,) = (each for each in rides.of_load("L") if each.key.line_id == line)
    return [(leg.vehicle_id, leg.start // SECOND, None if leg.end is None else leg.end // SECOND) for leg in ride.legs]


def test_goods_ride_from_their_pickup_to_their_delivery_and_ambient_ones_not_at_all() -> None:
    assert spans(told(*BEGUN[:2])) == {}
    rides = told(*BEGUN)
    assert spans(rides) == {"a": (9, None), "b": (9, None)}
    assert rides.under_way() == ["L"]
    after = told(*BEGUN, (30, StopCompleted(stop_id="A", time=time(25))))
    assert spans(after) == {"a": (9, 25), "b": (9, None)}
    assert [ride.key.line_id for ride in after.of_vehicle("V1")] == ["a", "b"]
    assert after.of_vehicle("V2") == []


def test_a_proof_that_comes_after_the_vehicle_left_tells_when_the_goods_left_it() -> None:
    departed = (*BEGUN, (30, StopDeparted(stop_id="A", time=time(30))))
    assert spans(told(*departed))["a"] == (9, 30)
    assert spans(told(*departed, (40, StopCompleted(stop_id="A", time=time(27)))))["a"] == (9, 27)
    completed = (*BEGUN, (30, StopCompleted(stop_id="A", time=time(27))))
    assert spans(told(*completed, (31, StopDeparted(stop_id="A", time=time(31)))))["a"] == (9, 27)


def test_goods_that_are_handed_over_change_the_vehicle_then() -> None:
    asked = (*BEGUN, (20, LoadReassigned(assignment=turn("V2", 2, 20))))
    handed = told(*asked, (26, LoadHandedOver(loaded=True)))
    assert legs(handed) == [("V1", 9, 26), ("V2", 26, None)]
    assert legs(told(*asked, (26, LoadReassignmentFailed()))) == [("V1", 9, None)]


def test_a_ride_ends_with_its_load_also_where_nothing_was_delivered() -> None:
    cancelled = told(*BEGUN, (40, LoadCancelled()))
    assert spans(cancelled) == {"a": (9, 40), "b": (9, 40)}
    assert cancelled.under_way() == []
    refused = told(*BEGUN, (30, StopCompleted(stop_id="A", time=time(25))), (50, StopFailed(stop_id="B")))
    assert spans(refused) == {"a": (9, 25), "b": (9, 50)}


def test_a_new_plan_takes_nothing_off_board() -> None:
    left = stop("P", STOP_KIND_PICKUP, "a", "b")
    left.state = STOP_STATE_DEPARTED
    bare = Stop(stop_id="C", kind=STOP_KIND_DELIVERY, tasks=[StopTask(order_id="O", line_id="a")])
    rides = told(*BEGUN, (20, LoadReplanned(stops=[left, bare])), (30, StopCompleted(stop_id="C", time=time(29))))
    assert spans(rides)["a"] == (9, 29)


def test_both_ends_of_a_leg_count() -> None:
    leg = Leg("V", 5, 7)
    assert [leg.holds(at) for at in (4, 5, 7, 8)] == [False, True, True, False]


def test_loads_that_are_over_give_way_to_newer_ones() -> None:
    rides = Rides(most_loads=1)
    for name in ("L1", "L2"):
        for version, (at, body) in enumerate((*BEGUN, (40, LoadCancelled())), 1):
            event = KIND.wrap(body)
            event.load_id, event.version, event.occur_time.seconds = name, version, at
            rides.apply(event)
    assert rides.loads() == ["L2"]
    assert {ride.key.load_id for ride in rides.of_vehicle("V1")} == {"L2"}
