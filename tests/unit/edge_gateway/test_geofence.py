"""Arrivals and departures: dwell, hysteresis, epochs, and a window that is bounded."""

from __future__ import annotations

from dataclasses import replace

from services.edge_gateway.geofence import Fence, FenceRules, Fix, Track, visits

RULES = FenceRules()
FENCE = Fence("L", "S", 1, "V", True, 39.7, -105.0, 150.0, 0.0, float("inf"))
DEGREE_M = 111_195.0


def fix(at: float, north_m: float, speed: float | None = None) -> Fix:
    return Fix(float(at), f"{at}", 39.7 + north_m / DEGREE_M, -105.0, speed, float(at) + 1, f"inbox:{at}")


def stay(begin: int, end: int, north_m: float = 0.0, step: int = 10, speed: float | None = None) -> list[Fix]:
    return [fix(at, north_m, speed) for at in range(begin, end + 1, step)]


def test_a_dwell_makes_an_arrival_at_its_first_position() -> None:
    (visit,) = visits([FENCE], stay(100, 220), RULES)
    assert (visit.entered.at, visit.confirmed.at, visit.left) == (100, 220, None)


def test_less_than_a_dwell_is_passing_by() -> None:
    assert visits([FENCE], [*stay(100, 210), *stay(220, 400, 1000)], RULES) == []


def test_standing_still_shortens_the_dwell() -> None:
    (visit,) = visits([FENCE], stay(100, 160, speed=0.0), RULES)
    assert visit.confirmed.at == 160
    assert visits([FENCE], stay(100, 160, speed=3.0), RULES) == []


def test_jitter_between_the_two_circles_is_neither_leaving_nor_a_new_arrival() -> None:
    jitter = [fix(at, 0 if at % 20 else 190) for at in range(110, 400, 10)]
    (visit,) = visits([FENCE], [fix(100, 0), *jitter], RULES)
    assert (visit.entered.at, visit.left) == (100, None)


def test_leaving_needs_a_while_outside() -> None:
    there = stay(100, 300)
    (blip,) = visits([FENCE], [*there, fix(310, 500), *stay(320, 400)], RULES)
    assert blip.left is None
    (gone,) = visits([FENCE], [*there, *stay(310, 340, 500)], RULES)
    assert gone.left is not None
    assert (gone.last_inside.at, gone.left.at) == (300, 340)


def test_presence_counts_only_while_the_assignment_holds() -> None:
    fixes = stay(100, 400)
    assert visits([replace(FENCE, end=200.0)], fixes, RULES) == []
    (visit,) = visits([replace(FENCE, start=200.0)], fixes, RULES)
    assert visit.entered.at == 200


def test_stops_are_visited_in_any_order_and_each_for_itself() -> None:
    second = replace(FENCE, stop_id="T", pickup=False, latitude=39.8)
    away = 0.1 * DEGREE_M
    fixes = [*stay(100, 300, away), *stay(1000, 1200)]
    found = visits([FENCE, second], fixes, RULES)
    assert [(visit.fence.stop_id, visit.entered.at) for visit in found] == [("S", 1000), ("T", 100)]


def test_a_late_position_puts_the_arrival_right() -> None:
    track = Track(RULES)
    track.watch([FENCE])
    for each in stay(200, 400):
        assert track.add(each)
    assert track.visits()[0].entered.at == 200
    assert track.add(fix(150, 0))
    assert track.visits()[0].entered.at == 150
    assert not track.add(fix(150, 0)), "known"


def test_fences_that_come_after_the_positions_are_folded_over_them() -> None:
    track = Track(RULES)
    for each in stay(100, 300):
        track.add(each)
    assert track.visits() == []
    assert track.watch([FENCE])
    assert len(track.visits()) == 1
    assert not track.watch([FENCE])


def test_the_window_is_bounded_and_what_falls_out_stays_true() -> None:
    track = Track(RULES, most_fixes=50, window_s=600)
    track.watch([FENCE])
    everything = [*stay(100, 300), *stay(310, 5000, 2000)]
    for each in everything:
        track.add(each)
    assert track.visits() == visits([FENCE], everything, RULES)
    assert not track.add(fix(90, 0)), "too late to matter"
    track.watch([FENCE, replace(FENCE, stop_id="T")])
    assert [visit.fence.stop_id for visit in track.visits()] == ["S"]
