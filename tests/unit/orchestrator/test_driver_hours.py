"""Whether a driver's hours are enough for a load: what is not known, or was known too long ago, is not."""

from __future__ import annotations

from datetime import timedelta

import pytest
from google.protobuf.duration_pb2 import Duration

from logistics.fleet.v1 import Driver, HosRuleset, HoursOfService
from logistics.load.v1 import Assignment, HoursCheck, HoursVerdict, Load, PlanFigures, Stop
from logistics.process.v1 import DriverHoursPolicy
from services.orchestrator.driver_hours import due, judge, needed_for
from tests.unit.orchestrator.deciders.freight import START, at, crew, truck

HOUR = 3600
POLICY = DriverHoursPolicy(required=True, margin=Duration(seconds=HOUR // 2))


def hours(shift: float | None = 9, drive: float | None = 8, *, ago: float = 1, **more: object) -> HoursOfService:
    told = HoursOfService(as_of_time=at(-ago), **more)  # type: ignore[arg-type]
    if shift is not None:
        told.shift_remaining.FromSeconds(int(shift * HOUR))
    if drive is not None:
        told.drive_remaining.FromSeconds(int(drive * HOUR))
    return told


def trip(of: float | None = 6, at_stops: float = 0) -> Load:
    """A load of some hours, of which some pass at its last stop."""
    load = truck()
    load.assignments.append(crew())
    if of is not None:
        load.figures.CopyFrom(PlanFigures(duration=Duration(seconds=int(of * HOUR))))
    if at_stops:
        load.stops[2].service_duration.FromSeconds(int(at_stops * HOUR))
    return load


def verdict(told: HoursOfService | None, load: Load, policy: DriverHoursPolicy = POLICY) -> str:
    driver = Driver(driver_id="driver-1", hours_of_service=told) if told is not None else None
    check = judge(driver, load, policy, START)
    assert bool(check.message) == (check.verdict != HoursVerdict.HOURS_VERDICT_ENOUGH)
    return HoursVerdict.Name(check.verdict).removeprefix("HOURS_VERDICT_")


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (hours(), "ENOUGH"),
        (hours(6.5, 6.5), "ENOUGH"),
        (hours(6.4, 8), "TOO_SHORT"),
        (hours(9, 6.4), "TOO_SHORT"),
        (hours(cycle_remaining=Duration(seconds=HOUR)), "TOO_SHORT"),
        (hours(violations=["11 h driving"]), "TOO_SHORT"),
        (None, "UNKNOWN"),
        (HoursOfService(), "UNKNOWN"),
        (hours(None), "UNKNOWN"),
        (hours(9, None), "UNKNOWN"),
        (hours(ago=15), "STALE"),
        (hours(ago=14.9), "ENOUGH"),
        (hours(ago=6, fresh_for=Duration(seconds=300)), "STALE"),
        (hours(ago=20, fresh_for=Duration(seconds=HOUR)), "STALE"),
        (hours(None, None, ago=99, ruleset=HosRuleset.HOS_RULESET_EXEMPT), "ENOUGH"),
    ],
)
def test_the_verdict_follows_what_is_known_and_how_fresh_it_is(told: HoursOfService | None, expected: str) -> None:
    assert verdict(told, trip()) == expected


def test_time_at_stops_is_no_driving() -> None:
    assert verdict(hours(9, 4.6), trip(6, at_stops=2)) == "ENOUGH"
    assert verdict(hours(9, 4.4), trip(6, at_stops=2)) == "TOO_SHORT"


def test_a_plan_without_times_is_not_known_to_fit() -> None:
    assert verdict(hours(), trip(None)) == "UNKNOWN"


def test_a_policy_may_want_fresher_hours() -> None:
    strict = DriverHoursPolicy(required=True, fresh_for=Duration(seconds=60))
    assert verdict(hours(ago=2), trip(), strict) == "STALE"


def test_on_the_way_only_the_rest_counts() -> None:
    load = trip(9)
    load.stops[0].arrival.time.CopyFrom(at(-120))
    for number, stop in enumerate(load.stops[1:], 1):
        stop.planned_arrival_time.CopyFrom(at(number * 60 - 10))
        stop.planned_departure_time.CopyFrom(at(number * 60))
    assert needed_for(load, START) == timedelta(hours=2)
    # A plan that is late takes no less time for that.
    assert needed_for(load, START + timedelta(hours=3)) == timedelta(minutes=70)
    assert needed_for(Load(stops=[Stop()]), START) is None


def test_hours_are_judged_again_when_they_have_aged() -> None:
    enough = HoursCheck(verdict=HoursVerdict.HOURS_VERDICT_ENOUGH, as_of_time=at(0))
    assert not due(Assignment(hours=enough), POLICY, START + timedelta(minutes=14))
    assert due(Assignment(hours=enough), POLICY, START + timedelta(minutes=15))
    assert due(Assignment(), POLICY, START)
    assert not due(Assignment(), DriverHoursPolicy(), START)
    assert not due(Assignment(hours=HoursCheck(overridden_by="dora")), POLICY, START)
