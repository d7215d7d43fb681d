"""Which goods that must be kept cold ride on which vehicle from when to when: a fold over the events of loads (pure).

Goods are on board from when their pickup was done until their delivery was, and with a load that is handed over they
change the vehicle. Times are nanoseconds since 1970.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from logistics.load.v1 import (
    STOP_KIND_DELIVERY,
    STOP_KIND_PICKUP,
    STOP_STATE_CANCELLED,
    STOP_STATE_COMPLETED,
    STOP_STATE_DEPARTED,
    STOP_STATE_FAILED,
    STOP_STATE_SKIPPED,
    Assignment,
    LoadEvent,
    Stop,
)
from logistics.type.v1 import TemperatureProfile
from services.edge_gateway.cold_chain.judging import Span

__all__ = ["Leg", "Ride", "RideKey", "Rides"]

_ENDED = frozenset(
    {STOP_STATE_COMPLETED, STOP_STATE_DEPARTED, STOP_STATE_SKIPPED, STOP_STATE_CANCELLED, STOP_STATE_FAILED}
)


class RideKey(NamedTuple):
    """What rides: there is one watch for each."""

    load_id: str
    order_id: str
    line_id: str


class Leg(NamedTuple):
    """A stretch of a ride on one vehicle. `end` None means that it goes on."""

    vehicle_id: str
    start: int
    end: int | None

    def holds(self, at: int) -> bool:
        """Return whether a moment lies on it; both ends do."""
        return self.start <= at and (self.end is None or at <= self.end)


@dataclass(frozen=True, slots=True)
class Ride:
    """One order line on board of one load."""

    key: RideKey
    profile: TemperatureProfile
    span: Span
    legs: tuple[Leg, ...]


class _Line(NamedTuple):
    order_id: str
    line_id: str


@dataclass(slots=True)
class _Turn:
    vehicle_id: str
    epoch: int
    start: int
    end: int | None = None


@dataclass(slots=True)
class _Load:
    version: int = 0
    profiles: dict[_Line, TemperatureProfile] = field(default_factory=dict)
    kinds: dict[str, int] = field(default_factory=dict)
    lines: dict[str, list[_Line]] = field(default_factory=dict)
    """Lines that must be kept cold, by stop."""
    open_stops: set[str] = field(default_factory=set)
    turns: list[_Turn] = field(default_factory=list)
    boarded: dict[_Line, int] = field(default_factory=dict)
    left: dict[_Line, int] = field(default_factory=dict)
    over: int | None = None


class Rides:
    """The rides of every load that carries something cold. Bounded: of those that are over, the newest stay."""

    def __init__(self, most_loads: int = 20_000) -> None:
        self._most = most_loads
        self._loads: OrderedDict[str, _Load] = OrderedDict()
        self._by_vehicle: dict[str, set[str]] = {}

    def apply(self, event: LoadEvent) -> bool:
        """Take in an event; return whether the load's rides may differ now. A known event changes nothing."""
        load = self._loads.get(event.load_id) or _Load()
        change = _CHANGES.get(event.WhichOneof("body") or "")
        if event.version <= load.version or change is None:
            return False
        load.version = event.version
        change(load, event, event.occur_time.ToNanoseconds())
        self._loads[event.load_id] = load
        self._loads.move_to_end(event.load_id)
        for turn in load.turns:
            self._by_vehicle.setdefault(turn.vehicle_id, set()).add(event.load_id)
        self._forget_surplus()
        return bool(load.profiles)

    def of_load(self, load_id: str) -> list[Ride]:
        """Return the rides of a load that have begun, in the order of their lines."""
        load = self._loads.get(load_id)
        return [] if load is None else list(_rides(load_id, load))

    def of_vehicle(self, vehicle_id: str) -> list[Ride]:
        """Return the rides that have a stretch on a vehicle."""
        loads = sorted(self._by_vehicle.get(vehicle_id, ()))
        rides = (ride for load_id in loads for ride in self.of_load(load_id))
        return [ride for ride in rides if any(leg.vehicle_id == vehicle_id for leg in ride.legs)]

    def loads(self) -> list[str]:
        """Return every load that carries, or carried, something cold."""
        return [load_id for load_id, load in self._loads.items() if load.profiles]

    def under_way(self) -> list[str]:
        """Return the loads that have something cold on board."""
        return [load_id for load_id in self.loads() if any(ride.span.end is None for ride in self.of_load(load_id))]

    def _forget_surplus(self) -> None:
        surplus = len(self._loads) - self._most
        if surplus <= 0:
            return
        for load_id in [name for name, load in self._loads.items() if load.over is not None][:surplus]:
            for turn in self._loads.pop(load_id).turns:
                riding = self._by_vehicle.get(turn.vehicle_id, set())
                riding.discard(load_id)
                if not riding:
                    self._by_vehicle.pop(turn.vehicle_id, None)


def _rides(load_id: str, load: _Load) -> Iterable[Ride]:
    for line in sorted(load.boarded):
        profile = load.profiles.get(line)
        if profile is None:
            continue
        start, end = load.boarded[line], load.left.get(line, load.over)
        if end is not None and end < start:
            end = start
        legs = tuple(
            Leg(turn.vehicle_id, max(turn.start, start), _earlier(turn.end, end))
            for turn in load.turns
            if (end is None or turn.start <= end) and (turn.end is None or turn.end > start)
        )
        yield Ride(RideKey(load_id, *line), profile, Span(start, end), legs)


def _earlier(one: int | None, other: int | None) -> int | None:
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)


def _plan(load: _Load, stops: Iterable[Stop]) -> None:
    """Take in a plan. What is on board stays on board, whatever a new plan says about it."""
    load.kinds, load.lines, load.open_stops = {}, {}, set()
    for stop in stops:
        load.kinds[stop.stop_id] = stop.kind
        if stop.state not in _ENDED:
            load.open_stops.add(stop.stop_id)
        for task in stop.tasks:
            line = _Line(task.order_id, task.line_id)
            if task.HasField("profile"):
                load.profiles[line] = task.profile
            if line in load.profiles:
                load.lines.setdefault(stop.stop_id, []).append(line)
    if load.open_stops:
        load.over = None


def _begin(load: _Load, stops: Iterable[Stop], assignments: Iterable[Assignment]) -> None:
    _plan(load, stops)
    load.turns = []
    for assignment in assignments:
        _assign(load, assignment)


def _assign(load: _Load, assignment: Assignment) -> None:
    start = assignment.start_time.ToNanoseconds()
    end = assignment.end_time.ToNanoseconds() if assignment.HasField("end_time") else None
    load.turns = [turn for turn in load.turns if turn.epoch != assignment.epoch]
    _end_turn(load, start)
    load.turns.append(_Turn(assignment.vehicle_id, assignment.epoch, start, end))


def _end_turn(load: _Load, at: int) -> None:
    if load.turns:
        load.turns[-1].end = _earlier(load.turns[-1].end, at)


def _reassignment_failed(load: _Load) -> None:
    """The goods are still where they were."""
    del load.turns[-1:]
    if load.turns:
        load.turns[-1].end = None


def _handed_over(load: _Load, at: int) -> None:
    """The goods changed the vehicle now, not when the other one was asked."""
    if len(load.turns) > 1:
        load.turns[-2].end = at
        load.turns[-1].start = at


def _done(load: _Load, stop_id: str, at: int, *, sure: bool) -> None:
    """Take in that a stop is done. `sure` tells when the work was done; else only when the vehicle had left."""
    for line in load.lines.get(stop_id, ()):
        if load.kinds[stop_id] == STOP_KIND_PICKUP:
            load.boarded[line] = min(load.boarded.get(line, at), at)
        elif load.kinds[stop_id] == STOP_KIND_DELIVERY and (sure or line not in load.left):
            load.left[line] = at
    _closed(load, stop_id, at)


def _closed(load: _Load, stop_id: str, at: int) -> None:
    load.open_stops.discard(stop_id)
    if not load.open_stops and load.over is None:
        load.over = at


def _cancelled(load: _Load, at: int) -> None:
    _end_turn(load, at)
    load.open_stops = set()
    load.over = at


_CHANGES: Mapping[str, Callable[[_Load, LoadEvent, int], None]] = {
    "drafted": lambda load, event, _at: _begin(load, event.drafted.load.stops, event.drafted.load.assignments),
    "planned": lambda load, event, _at: _begin(load, event.planned.load.stops, event.planned.load.assignments),
    "replanned": lambda load, event, _at: _plan(load, event.replanned.stops),
    "assigned": lambda load, event, _at: _assign(load, event.assigned.assignment),
    "reassigned": lambda load, event, _at: _assign(load, event.reassigned.assignment),
    "unassigned": lambda load, _event, at: _end_turn(load, at),
    "reassignment_failed": lambda load, _event, _at: _reassignment_failed(load),
    "handed_over": lambda load, _event, at: _handed_over(load, at),
    "stop_completed": lambda load, event, _at: _done(
        load, event.stop_completed.stop_id, event.stop_completed.time.time.ToNanoseconds(), sure=True
    ),
    "stop_departed": lambda load, event, _at: _done(
        load, event.stop_departed.stop_id, event.stop_departed.time.time.ToNanoseconds(), sure=False
    ),
    "stop_failed": lambda load, event, at: _closed(load, event.stop_failed.stop_id, at),
    "stop_skipped": lambda load, event, at: _closed(load, event.stop_skipped.stop_id, at),
    "stop_cancelled": lambda load, event, at: _closed(load, event.stop_cancelled.stop_id, at),
    "cancelled": lambda load, _event, at: _cancelled(load, at),
}
