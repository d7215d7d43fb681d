"""What a load makes of estimates: the last made counts, facts stand, small changes are not told."""

from __future__ import annotations

from google.protobuf.duration_pb2 import Duration

from logistics.load.v1 import ArriveStop, EstimateArrival, InterruptLoad, LoadCommand
from tests.unit.orchestrator.deciders.freight import FIRST, PICKUP, SECOND, ask_load, when
from tests.unit.orchestrator.deciders.load_story import DISPATCHED, PLANNED, ROLLING, Past, after, stop_at

NOWHERE = "99999999-0000-4000-8000-000000000000"


def told(
    expected: float, *, made: float, stop_id: str = FIRST, threshold: int = 15, epoch: int = 0, grace: int = 0
) -> EstimateArrival:
    return EstimateArrival(
        stop_id=stop_id,
        estimated_arrival_time=when(expected).time,
        estimate_time=when(made).time,
        threshold=Duration(seconds=60 * threshold),
        grace=Duration(seconds=60 * grace),
        epoch=epoch,
    )


def asked(expected: float, *, made: float, threshold: int = 15, epoch: int = 0) -> LoadCommand:
    return ask_load(told(expected, made=made, threshold=threshold, epoch=epoch))


def with_window(past: Past, end: float) -> Past:
    """The same story with a first delivery that closes at a time."""
    stop_at(past, FIRST).window.end_time.CopyFrom(when(end).time)
    return past


def test_a_first_estimate_is_told_and_dated() -> None:
    stop = stop_at(after(told(65, made=31), past=ROLLING), FIRST)
    assert stop.estimated_arrival_time == when(65).time
    assert stop.estimate_time == when(31).time


def test_a_small_change_is_not_told_and_a_large_one_is() -> None:
    past = after(told(65, made=31), past=ROLLING)
    past.when(asked(79, made=40)).then_nothing()
    assert stop_at(after(told(80, made=40), past=past), FIRST).estimated_arrival_time == when(80).time


def test_a_small_change_is_told_when_it_passes_the_window_or_recovers_it() -> None:
    past = with_window(after(told(65, made=31), past=ROLLING), 66)
    late = with_window(after(told(67, made=40), past=past), 66)
    assert stop_at(late, FIRST).estimated_arrival_time == when(67).time
    late.when(asked(68, made=41)).then_nothing()
    assert stop_at(after(told(66, made=42), past=late), FIRST).estimated_arrival_time == when(66).time
    past.when(ask_load(told(67, made=40, grace=5))).then_nothing()


def test_an_older_estimate_never_displaces_a_newer_one() -> None:
    past = after(told(90, made=40), past=ROLLING)
    past.when(asked(150, made=35)).then_nothing()
    past.when(asked(150, made=40)).then_nothing()


def test_an_estimate_never_displaces_an_arrival() -> None:
    past = after(ArriveStop(stop_id=FIRST, time=when(60)), past=ROLLING)
    past.when(asked(120, made=61)).then_nothing()
    assert not stop_at(past, FIRST).HasField("estimated_arrival_time")


def test_only_a_load_on_the_road_has_estimates() -> None:
    PLANNED.when(asked(65, made=31)).then_nothing()
    after(InterruptLoad(reason="flat tyre"), past=ROLLING).when(asked(65, made=31)).then_nothing()


def test_an_estimate_of_another_assignment_or_stop_is_refused() -> None:
    ROLLING.when(asked(65, made=31, epoch=2)).then_rejected("EPOCH_MISMATCH")
    ROLLING.when(ask_load(told(65, made=31, stop_id=NOWHERE))).then_rejected("STOP_NOT_FOUND")


def test_each_stop_has_its_own_estimate() -> None:
    past = after(told(9, made=5, stop_id=PICKUP), told(120, made=4, stop_id=SECOND), past=DISPATCHED)
    assert stop_at(past, PICKUP).estimate_time == when(5).time
    assert stop_at(past, SECOND).estimated_arrival_time == when(120).time
