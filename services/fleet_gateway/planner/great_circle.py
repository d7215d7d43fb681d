"""Travel over the great circle, stretched by a road factor: the default where no road router stands by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import asin, ceil, cos, radians, sin, sqrt
from typing import Final

from services.fleet_gateway.planner.port import Point

_EARTH_RADIUS_M: Final = 6_371_008.8  # mean radius, IUGG


def great_circle_m(a: Point, b: Point) -> float:
    """Return metres between two points over the great circle (haversine)."""
    lat_a, lat_b = radians(a.latitude), radians(b.latitude)
    half_lat, half_lon = (lat_b - lat_a) / 2, radians(b.longitude - a.longitude) / 2
    chord = sin(half_lat) ** 2 + cos(lat_a) * cos(lat_b) * sin(half_lon) ** 2
    return 2 * _EARTH_RADIUS_M * asin(min(1.0, sqrt(chord)))


@dataclass(frozen=True, slots=True)
class GreatCircle:
    """A `TravelMatrix` without roads.

    `road_factor` is how much longer streets are than the great circle (1.3 fits towns with a grid), `speed_mps` the
    usual speed in metres a second, stops at lights included.
    """

    road_factor: float = 1.3
    speed_mps: float = 40 / 3.6

    @property
    def name(self) -> str:
        """Name the method and both factors, so that a plan can be judged by them."""
        return f"great-circle x{self.road_factor:g} {self.speed_mps * 3.6:g} km/h"

    def distances_m(self, points: Sequence[Point]) -> list[list[int]]:
        """Return metres from each point to each, rounded."""
        return [[round(great_circle_m(a, b) * self.road_factor) for b in points] for a in points]

    def durations_s(self, distances_m: list[list[int]], speed_factor: float) -> list[list[int]]:
        """Return seconds, rounded up, so that a plan never promises what the speed does not keep."""
        speed = self.speed_mps * speed_factor
        return [[ceil(metres / speed) for metres in row] for row in distances_m]
