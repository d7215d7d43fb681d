"""A genuine drive through Denver, one point a second: real jitter, real lights, real detours."""

from __future__ import annotations

import csv
import importlib.util
import random
from pathlib import Path

import pytest

from services.edge_gateway.filters import distance_m
from services.edge_gateway.geofence import Fence, FenceRules, Fix, Track

RULES = FenceRules()
STOPS = (250, 700)
"""Points of the track at which the vehicle is made to stand, since the recording has no deliveries."""
STAND_S = 150


@pytest.fixture(scope="module")
def points() -> list[tuple[float, float]]:
    spec = importlib.util.find_spec("mappymatch")  # its data files are read, the package is never imported
    assert spec is not None
    assert spec.origin is not None
    path = Path(spec.origin).parent / "resources" / "traces" / "sample_trace_1.csv"
    with path.open(encoding="utf-8") as lines:
        return [(float(row["latitude"]), float(row["longitude"])) for row in csv.DictReader(lines)]


def fixes_of(points: list[tuple[float, float]], stands: tuple[int, ...]) -> list[Fix]:
    fixes: list[Fix] = []
    at = 1000.0
    for index, (latitude, longitude) in enumerate(points):
        speed = distance_m(latitude, longitude, *points[index - 1]) if index else 0.0
        for _ in range(STAND_S if index in stands else 1):
            fixes.append(Fix(at, f"f{len(fixes)}", latitude, longitude, speed, at + 2, f"inbox:{len(fixes)}"))
            at, speed = at + 1, 0.0
    return fixes


def fence(points: list[tuple[float, float]], index: int) -> Fence:
    return Fence("L", f"S{index}", 1, "V", index == STOPS[0], *points[index], RULES.radius_m, 0.0, float("inf"))


def test_it_arrives_where_it_stood_and_nowhere_else(points: list[tuple[float, float]]) -> None:
    fixes = fixes_of(points, STOPS)
    chance = random.Random(3)
    noisy = [*fixes, *chance.sample(fixes, 60)]
    noisy.sort(key=lambda fix: fix.at + (chance.random() * 90 if chance.random() < 0.2 else 0))
    track = Track(RULES)
    track.watch([fence(points, index) for index in (*STOPS, 100, 450, 850)])
    for fix in noisy:
        track.add(fix)
    found = track.visits()
    assert [visit.fence.stop_id for visit in found] == ["S250", "S700"]
    for visit, index in zip(found, STOPS, strict=True):
        stood_from = 1000.0 + index + sum(STAND_S - 1 for other in STOPS if other < index)
        assert visit.left is not None
        assert stood_from - 60 <= visit.entered.at <= stood_from
        assert stood_from + STAND_S <= visit.last_inside.at <= stood_from + STAND_S + 60


def test_driving_through_is_no_visit(points: list[tuple[float, float]]) -> None:
    track = Track(RULES)
    track.watch([fence(points, index) for index in range(0, 800, 25)])
    for fix in fixes_of(points, ()):
        track.add(fix)
    assert track.visits() == []
