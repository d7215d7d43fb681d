"""What is believed and what is not, by rule."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gladhand.errors import InvalidArgument
from services.edge_gateway.filters import FilterRules, JumpGuard, check_sample, distance_m
from services.edge_gateway.protocols.motion import Motion

RECEIVED = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
RULES = FilterRules()


def sample(latitude: float = 39.7, longitude: float = -104.9, **more: Any) -> Any:
    fields: dict[str, Any] = {"occurred": RECEIVED, "latitude": latitude, "longitude": longitude} | more
    return Motion(**fields).sample()


def test_an_ordinary_position_is_believed() -> None:
    check_sample(sample(speed_mps=30.0, accuracy_m=5.0), RECEIVED, RULES)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"latitude": 0.0, "longitude": 0.0}, "null_island"),
        ({"latitude": 0.0005, "longitude": -0.0005}, "null_island"),
        ({"latitude": 90.1}, "out_of_range"),
        ({"longitude": -180.5}, "out_of_range"),
        ({"occurred": datetime(1970, 1, 2, tzinfo=UTC)}, "clock_not_set"),
        ({"valid": False}, "invalid"),
        ({"accuracy_m": 501.0}, "accuracy"),
        ({"speed_mps": 76.0}, "speed"),
    ],
)
def test_what_cannot_be_true_is_refused_by_rule(changes: dict[str, Any], rule: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        check_sample(sample(**changes), RECEIVED, RULES)
    assert refused.value.reason == "POSITION_IMPLAUSIBLE"
    assert refused.value.metadata["rule"] == rule


def test_the_equator_and_the_prime_meridian_are_places() -> None:
    check_sample(sample(latitude=0.0, longitude=32.5), RECEIVED, RULES)
    check_sample(sample(latitude=51.5, longitude=0.0), RECEIVED, RULES)


@pytest.mark.parametrize(("ahead_s", "believed"), [(-90_000, True), (299, True), (300, True), (301, False)])
def test_the_future_begins_beyond_the_skew(ahead_s: int, believed: bool) -> None:
    found = sample(occurred=RECEIVED + timedelta(seconds=ahead_s))
    if believed:
        check_sample(found, RECEIVED, RULES)
        return
    with pytest.raises(InvalidArgument) as refused:
        check_sample(found, RECEIVED, RULES)
    assert refused.value.reason == "FUTURE_DATED"
    assert refused.value.metadata["skew_s"] == "300"


def test_distance_is_that_of_the_great_circle() -> None:
    assert distance_m(0, 0, 0, 1) == pytest.approx(111_195, abs=1)
    assert distance_m(39.7, -104.9, 39.7, -104.9) == 0


def at(seconds: int, latitude: float) -> Any:
    return sample(latitude=latitude, occurred=RECEIVED + timedelta(seconds=seconds))


def test_one_jump_is_refused_and_the_way_goes_on() -> None:
    guard = JumpGuard(RULES)
    guard.check("d", at(0, 39.70))
    with pytest.raises(InvalidArgument) as refused:
        guard.check("d", at(10, 41.0))
    assert refused.value.metadata["rule"] == "jump"
    guard.check("d", at(20, 39.701))
    guard.check("other", at(10, 41.0))


def test_a_wrong_first_position_does_not_condemn_all_that_follow() -> None:
    guard = JumpGuard(RULES)
    guard.check("d", at(0, 10.0))
    refusals = 0
    for second in range(1, 10):
        try:
            guard.check("d", at(second, 39.7 + second / 10_000))
        except InvalidArgument:
            refusals += 1
    assert refusals == 2


def test_late_and_repeated_positions_are_no_jumps() -> None:
    guard = JumpGuard(RULES)
    for second in (0, 60, 30, 30, 0, 90, 45):
        guard.check("d", at(second, 39.7 + second * 0.0002))
