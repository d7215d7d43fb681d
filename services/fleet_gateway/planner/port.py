"""The planning problem in plain numbers, its answer, and who may solve it.

Times are whole seconds after an origin that the caller chose, distances whole metres, amounts whole units of the
dimensions in `DIMENSIONS`. Nothing here knows orders or the contract.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

DIMENSIONS: Final = ("weight_g", "volume_cm3")
"""What an amount counts, in this order: weight in grams, volume in cubic centimetres."""

UNLIMITED: Final = 10**12
"""The capacity of a truck in a dimension that it does not limit."""


class Skip(StrEnum):
    """Why a shipment is in no route. The names are those of `logistics.dispatch.v1.SkipReason` without prefix."""

    NO_VEHICLE = "NO_VEHICLE"
    DEMAND_EXCEEDS_VEHICLE_CAPACITY = "DEMAND_EXCEEDS_VEHICLE_CAPACITY"
    WINDOW_IMPOSSIBLE = "WINDOW_IMPOSSIBLE"
    FEATURE_MISSING = "FEATURE_MISSING"
    LOCATION_UNKNOWN = "LOCATION_UNKNOWN"
    NO_CAPACITY_LEFT = "NO_CAPACITY_LEFT"
    DEMAND_INVALID = "DEMAND_INVALID"


class Task(StrEnum):
    """What a visit does."""

    PICKUP = "pickup"
    DELIVERY = "delivery"


@dataclass(frozen=True, slots=True)
class Point:
    """A place on the earth in WGS 84 degrees."""

    latitude: float
    longitude: float


@dataclass(frozen=True, slots=True)
class Visit:
    """One half of a shipment: where, when and how long."""

    point: Point
    earliest_s: int
    """Work may begin from here on, included."""

    latest_s: int
    """Work must begin until here, included."""

    setup_s: int
    """Time from arrival to work, once per arrival at the point."""

    service_s: int
    """Time of the work itself."""

    soft: bool = False
    """Whether the window may be broken where the shipment could not be served otherwise."""


@dataclass(frozen=True, slots=True)
class Shipment:
    """Goods from one place to another on one truck."""

    key: str
    pickup: Visit | None
    """Where they come from; None means that they are on board from the start."""

    delivery: Visit
    amount: tuple[int, ...]
    features: frozenset[str] = frozenset()
    priority: int = 0
    """0 to 100; the higher goes first where not all fit."""


@dataclass(frozen=True, slots=True)
class Truck:
    """A vehicle that may be used."""

    key: str
    start: Point
    end: Point | None
    """Where it must end; None means wherever its last visit is."""

    capacity: tuple[int, ...]
    features: frozenset[str]
    earliest_s: int
    latest_s: int
    """It must have ended until here, included."""

    speed_factor: float = 1.0


@dataclass(frozen=True, slots=True)
class Problem:
    """Everything that an optimiser needs. The same problem gives the same answer."""

    trucks: tuple[Truck, ...]
    shipments: tuple[Shipment, ...]
    reload: bool = False
    """Whether a truck may come back to a place of loading after a delivery. False makes a load one trip."""

    @property
    def one_trip(self) -> bool:
        """Whether each truck makes one trip only; with goods on board that trip has begun, and it may load again."""
        return not self.reload and all(shipment.pickup is not None for shipment in self.shipments)


@dataclass(frozen=True, slots=True)
class PlannedVisit:
    """A visit in a route."""

    shipment: str
    task: Task
    arrival_s: int
    start_s: int
    """When it begins after any wait: inside the window."""

    end_s: int


@dataclass(frozen=True, slots=True)
class Route:
    """What one truck does, from its start to its end."""

    truck: str
    start_s: int
    end_s: int
    distance_m: int
    visits: tuple[PlannedVisit, ...]


@dataclass(frozen=True, slots=True)
class Skipped:
    """A shipment that is in no route, and why."""

    shipment: str
    reason: Skip


@dataclass(frozen=True, slots=True)
class Solution:
    """An answer: every shipment is in exactly one route or skipped."""

    routes: tuple[Route, ...]
    """In the order of the problem's trucks; trucks that stay at home are left out."""

    skipped: tuple[Skipped, ...]
    """In the order of the problem's shipments."""

    late: frozenset[str]
    """Shipments whose soft windows were opened."""

    planner: str
    matrix: str


class PlannerFailed(Exception):
    """The optimiser gave no answer, or one that breaks the problem's rules. Nothing is planned."""


class TravelMatrix(Protocol):
    """Distances and travel times between places."""

    @property
    def name(self) -> str:
        """What stands behind the figures, for example `great-circle`; written on every plan."""
        ...

    def distances_m(self, points: Sequence[Point]) -> list[list[int]]:
        """Return metres from each point to each, 0 from a point to itself."""
        ...

    def durations_s(self, distances_m: list[list[int]], speed_factor: float) -> list[list[int]]:
        """Return seconds for the distances at `speed_factor` times the usual speed, 0 from a point to itself."""
        ...


class Planner(Protocol):
    """An optimiser. It must not block the event loop."""

    async def plan(self, problem: Problem) -> Solution:
        """Return a plan. Raises PlannerFailed where none could be made, TimeoutError where it took too long."""
        ...
