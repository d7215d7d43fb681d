"""The streets of the demo: three recorded drives through Denver, joined where they meet.

The recordings are files of the `mappymatch` wheel, one point a second, without times. A trip between any two places
follows the recorded points in the direction in which they were driven, and takes another way (a track backwards, or a
crossing to another track) only where no recorded one leads there.
"""

from __future__ import annotations

import csv
import heapq
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Final, NamedTuple, Self

_TRACKS: Final = (1, 2, 3)
_CROSSING_M: Final = 40.0
_CELL_DEG: Final = 0.0005
_BACKWARDS: Final = 4.0
"""How much longer a second driven backwards counts in the choice of the way."""
_ON_THE_ROAD_M: Final = 120.0
_OFF_ROAD_MPS: Final = 10.0
_EARTH_M: Final = 6_371_008.8


class TracksMissingError(Exception):
    """The recordings are not installed."""


class Place(NamedTuple):
    """WGS84 degrees."""

    latitude: float
    longitude: float


class Waypoint(NamedTuple):
    """A place and how many seconds the way to it takes from the one before."""

    place: Place
    seconds: float


class _Edge(NamedTuple):
    to: int
    seconds: float
    cost: float


def distance_m(one: Place, other: Place) -> float:
    """Great-circle distance in metres."""
    lat, other_lat = math.radians(one.latitude), math.radians(other.latitude)
    half_lat = math.sin((other_lat - lat) / 2)
    half_lon = math.sin(math.radians(other.longitude - one.longitude) / 2)
    root = half_lat * half_lat + math.cos(lat) * math.cos(other_lat) * half_lon * half_lon
    return 2 * _EARTH_M * math.asin(math.sqrt(min(1.0, root)))


def course_deg(one: Place, other: Place) -> float:
    """Heading from one place to the other, 0 to 360 degrees from north."""
    east = math.radians(other.longitude - one.longitude) * math.cos(math.radians(one.latitude))
    north = math.radians(other.latitude - one.latitude)
    return math.degrees(math.atan2(east, north)) % 360


@dataclass(frozen=True)
class Roads:
    """Every recorded point and how one gets from it to the next."""

    places: Sequence[Place]
    edges: Sequence[Sequence[_Edge]]

    @classmethod
    def of(cls, tracks: Sequence[Sequence[Place]]) -> Self:
        """Join tracks, each a point a second, at their crossings."""
        places = [place for track in tracks for place in track]
        edges: list[list[_Edge]] = [[] for _ in places]
        first = 0
        spans = []
        for track in tracks:
            spans.append(range(first, first + len(track)))
            first += len(track)
        for span in spans:
            for node in span[:-1]:
                edges[node].append(_Edge(node + 1, 1.0, 1.0))
                edges[node + 1].append(_Edge(node, 1.0, _BACKWARDS))
        _join(places, spans, edges)
        return cls(places, edges)

    def way(self, start: Place, goal: Place) -> list[Waypoint]:
        """The way from one place to another, without the start; straight where a place lies off the recordings."""
        first, last = self._nearest(start), self._nearest(goal)
        if first is None or last is None:
            return _straight(start, goal)
        nodes = self._shortest(first, last)
        return [Waypoint(self.places[node], seconds) for node, seconds in nodes] or _straight(start, goal)

    def _nearest(self, place: Place) -> int | None:
        node = min(range(len(self.places)), key=lambda each: distance_m(self.places[each], place))
        return node if distance_m(self.places[node], place) <= _ON_THE_ROAD_M else None

    def _shortest(self, first: int, last: int) -> list[tuple[int, float]]:
        """Dijkstra's way of least cost; empty where none leads there or both ends are the same."""
        best = {first: 0.0}
        came: dict[int, tuple[int, float]] = {}
        heap = [(0.0, first)]
        while heap:
            cost, node = heapq.heappop(heap)
            if node == last:
                break
            if cost > best[node]:
                continue
            for edge in self.edges[node]:
                found = cost + edge.cost
                if found < best.get(edge.to, math.inf):
                    best[edge.to] = found
                    came[edge.to] = (node, edge.seconds)
                    heapq.heappush(heap, (found, edge.to))
        way: list[tuple[int, float]] = []
        node = last
        while node in came and node != first:
            before, seconds = came[node]
            way.append((node, seconds))
            node = before
        return way[::-1]


def _join(places: Sequence[Place], spans: Sequence[range], edges: list[list[_Edge]]) -> None:
    """Let each point cross to the nearest one of each other track where that is close."""
    cells: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for track, span in enumerate(spans):
        for node in span:
            cells.setdefault(_cell(places[node]), []).append((track, node))
    for track, span in enumerate(spans):
        for node in span:
            nearest: dict[int, tuple[float, int]] = {}
            for other, near in _around(cells, places[node]):
                if other != track:
                    gap = (distance_m(places[near], places[node]), near)
                    nearest[other] = min(gap, nearest.get(other, gap))
            for gap_m, near in nearest.values():
                if gap_m <= _CROSSING_M:
                    seconds = max(1.0, gap_m / _OFF_ROAD_MPS)
                    edges[node].append(_Edge(near, seconds, seconds * _BACKWARDS))


def _cell(place: Place) -> tuple[int, int]:
    """A cell wider than a crossing, so that what is near stands in it or beside it."""
    return math.floor(place.latitude / _CELL_DEG), math.floor(place.longitude / _CELL_DEG)


def _around(cells: Mapping[tuple[int, int], list[tuple[int, int]]], place: Place) -> Iterator[tuple[int, int]]:
    row, column = _cell(place)
    for north in (-1, 0, 1):
        for east in (-1, 0, 1):
            yield from cells.get((row + north, column + east), ())


def _straight(start: Place, goal: Place) -> list[Waypoint]:
    seconds = max(1, math.ceil(distance_m(start, goal) / _OFF_ROAD_MPS))
    return [
        Waypoint(
            Place(
                start.latitude + (goal.latitude - start.latitude) * step / seconds,
                start.longitude + (goal.longitude - start.longitude) * step / seconds,
            ),
            1.0,
        )
        for step in range(1, seconds + 1)
    ]


@cache
def denver() -> Roads:
    """The recorded roads. Raises TracksMissingError."""
    return Roads.of([_read(number) for number in _TRACKS])


def _read(number: int) -> list[Place]:
    try:
        wheel = distribution("mappymatch")
    except PackageNotFoundError as error:
        raise TracksMissingError("the recorded tracks are not installed: run make setup") from error
    # Found by the wheel's record: importing the package would need a geo stack that nothing here uses.
    file = Path(str(wheel.locate_file(f"mappymatch/resources/traces/sample_trace_{number}.csv")))
    try:
        with file.open(encoding="utf-8", newline="") as lines:
            return [Place(float(row["latitude"]), float(row["longitude"])) for row in csv.DictReader(lines)]
    except (OSError, KeyError, ValueError) as error:
        raise TracksMissingError(f"track {number} cannot be read from {file}: {error}") from error
