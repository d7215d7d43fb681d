"""The trip of one load as a recorder in the vehicle would tell it: a position every few seconds, and proofs."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from examples.denver.roads import Place, Roads, Waypoint, course_deg, distance_m

REPORT_EVERY_S: Final = 10
STAND_S: Final = 200
"""How long the vehicle stands at a stop. A stay counts after sixty seconds of standing still."""
PROOF_AFTER_S: Final = 110
"""When, after it came to stand, the consignee has signed."""
_JITTER_M: Final = 3.0
_LEAVE_M: Final = 800.0
_NEAR_M: Final = 200.0
_M_PER_DEG: Final = 111_195.0


@dataclass(frozen=True, slots=True)
class Call:
    """A stop that is still to be made. `proofs` names its stop ids where a proof of delivery is to be given."""

    place: Place
    stop_ids: tuple[str, ...]
    proofs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fix:
    """One position. `at` is seconds since the trip began."""

    at: float
    place: Place
    speed_mps: float
    course: float


@dataclass(frozen=True, slots=True)
class Proof:
    """The moment at which the proof of a stop is captured, and where."""

    at: float
    stop_id: str
    place: Place


@dataclass(slots=True)
class Trip:
    """All that a vehicle reports for one load. `stands` are the spans in which it stands at a stop."""

    fixes: list[Fix] = field(default_factory=list)
    proofs: list[Proof] = field(default_factory=list)
    stands: list[tuple[float, float]] = field(default_factory=list)

    @property
    def length_s(self) -> float:
        """How long the trip takes."""
        return self.fixes[-1].at if self.fixes else 0.0


def plan_trip(calls: Sequence[Call], roads: Roads, chance: random.Random) -> Trip:
    """Drive from the first call to the last, stand at each, and leave the last one's surroundings."""
    trip = Trip()
    if not calls:
        return trip
    now = 0.0
    for index, call in enumerate(calls):
        if index:
            others = [other.place for other in calls if other.place != call.place]
            way = _without_stands(calls[index - 1].place, roads.way(calls[index - 1].place, call.place), others)
            now = _drive(trip, now, calls[index - 1].place, way, chance)
        now = _stand(trip, now, call, chance)
    home = calls[0].place if len(calls) > 1 else _beyond(calls[0].place)
    way = roads.way(calls[-1].place, home)
    _drive(trip, now, calls[-1].place, list(_until_left(calls[-1].place, way)), chance)
    return trip


def merge(calls: Sequence[Call]) -> list[Call]:
    """Make one call of neighbours at the same place: a truck parks once for two orders of one customer."""
    merged: list[Call] = []
    for call in calls:
        if merged and distance_m(merged[-1].place, call.place) < 1.0:
            last = merged.pop()
            call = Call(last.place, last.stop_ids + call.stop_ids, last.proofs + call.proofs)  # noqa: PLW2901
        merged.append(call)
    return merged


def _stand(trip: Trip, now: float, call: Call, chance: random.Random) -> float:
    end = now + STAND_S
    while trip.fixes and trip.fixes[-1].at >= now:
        trip.fixes.pop()
    trip.stands.append((now, end))
    for offset in range(0, STAND_S, REPORT_EVERY_S):
        trip.fixes.append(Fix(now + offset, _jittered(call.place, chance), 0.0, 0.0))
    for number, stop_id in enumerate(call.proofs):
        trip.proofs.append(Proof(now + PROOF_AFTER_S + 10 * number, stop_id, _jittered(call.place, chance)))
    return end


def _drive(trip: Trip, now: float, start: Place, way: Sequence[Waypoint], chance: random.Random) -> float:
    """Report along the way every few seconds; return when it ends."""
    passed = [(now, start)]
    for point in way:
        passed.append((passed[-1][0] + point.seconds, point.place))
    due = now
    before = passed[0]
    for at, place in passed[1:]:
        if at >= due + REPORT_EVERY_S:
            speed = distance_m(before[1], place) / max(at - before[0], 0.1)
            trip.fixes.append(
                Fix(at, _jittered(place, chance), round(speed, 2), round(course_deg(before[1], place), 1))
            )
            due, before = at, (at, place)
    return passed[-1][0]


def _without_stands(start: Place, way: Sequence[Waypoint], others: Sequence[Place]) -> list[Waypoint]:
    """Leave out where the recorded car stood near a stop whose turn it is not: its lights were green today."""
    kept: list[Waypoint] = []
    last = start
    for point in way:
        stood = distance_m(last, point.place) < 0.5 * point.seconds
        if stood and any(distance_m(point.place, other) < _NEAR_M for other in others):
            continue
        kept.append(point)
        last = point.place
    return kept


def _until_left(place: Place, way: Sequence[Waypoint]) -> Iterator[Waypoint]:
    for point in way:
        yield point
        if distance_m(place, point.place) > _LEAVE_M:
            return


def _beyond(place: Place) -> Place:
    """Somewhere to drive to from a load with a single stop."""
    return Place(
        place.latitude, place.longitude + 1.5 * _LEAVE_M / (_M_PER_DEG * math.cos(math.radians(place.latitude)))
    )


def _jittered(place: Place, chance: random.Random) -> Place:
    north, east = chance.gauss(0, _JITTER_M / 2), chance.gauss(0, _JITTER_M / 2)
    longitude = place.longitude + east / (_M_PER_DEG * math.cos(math.radians(place.latitude)))
    return Place(round(place.latitude + north / _M_PER_DEG, 7), round(longitude, 7))
