"""Which stops which vehicle is to visit from when to when: a fold over the events of loads (pure).

The assignment that counts is the one in force when a position was taken, never the vehicle's newest load (domain
reference 3.7 rule 4). Presence counts from dispatch on: before that, nobody is under way to a stop.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from logistics.load.v1 import (
    STOP_KIND_DELIVERY,
    STOP_KIND_PICKUP,
    STOP_STATE_CANCELLED,
    STOP_STATE_COMPLETED,
    STOP_STATE_DEPARTED,
    STOP_STATE_FAILED,
    STOP_STATE_SKIPPED,
    Assignment,
    Load,
    LoadEvent,
    Stop,
)
from services.edge_gateway.geofence import Fence

__all__ = ["RoadBook"]

_ENDED = frozenset(
    {
        STOP_STATE_COMPLETED,
        STOP_STATE_DEPARTED,
        STOP_STATE_SKIPPED,
        STOP_STATE_CANCELLED,
        STOP_STATE_FAILED,
    }
)
_ALWAYS = float("-inf")
_OPEN = float("inf")


@dataclass(slots=True)
class _PlannedStop:
    """A stop with a place; counts while the plan in force holds it."""

    stop: Stop
    since: float = _ALWAYS
    until: float = _OPEN


@dataclass(slots=True)
class _Turn:
    """One assignment: who drives the load in one epoch."""

    vehicle_id: str
    epoch: int
    start: float
    end: float


@dataclass(slots=True)
class _Entry:
    """What is known of one load."""

    load_id: str
    version: int = 0
    newest: float = _ALWAYS
    dispatched: float = _OPEN
    stops: dict[str, _PlannedStop] = field(default_factory=dict)
    turns: list[_Turn] = field(default_factory=list)
    open_stops: set[str] = field(default_factory=set)
    """Every stop of the plan, also without a place, at which work is left."""
    cancelled: bool = False

    @property
    def over(self) -> bool:
        """Whether nothing is left to do; late positions may still tell how it went."""
        return self.cancelled or (self.dispatched < _OPEN and not self.open_stops)


class RoadBook:
    """Loads as far as vehicles have to know them.

    Bounded: loads that are over stay for late positions until `most_loads` newer ones have come.
    """

    def __init__(self, *, radius_m: float, most_loads: int = 20_000) -> None:
        """`radius_m` is the radius of fences around places that tell none."""
        self._radius_m = radius_m
        self._most = most_loads
        self._loads: OrderedDict[str, _Entry] = OrderedDict()
        self._by_vehicle: dict[str, set[str]] = {}

    def __len__(self) -> int:
        return len(self._loads)

    def apply(self, event: LoadEvent) -> set[str]:
        """Take in an event; return the vehicles whose stops may have changed. A known event changes nothing."""
        entry = self._loads.get(event.load_id) or _Entry(event.load_id)
        if event.version <= entry.version:
            return set()
        entry.version = event.version
        at = _seconds(event)
        entry.newest = max(entry.newest, at)
        self._loads[event.load_id] = entry
        self._loads.move_to_end(event.load_id)
        touched = {turn.vehicle_id for turn in entry.turns}
        if not _take(entry, event, at):
            return set()
        touched |= {turn.vehicle_id for turn in entry.turns}
        for vehicle_id in touched:
            self._by_vehicle.setdefault(vehicle_id, set()).add(event.load_id)
        self._forget_surplus()
        return touched

    def fences(self, vehicle_id: str, since: float = _ALWAYS) -> list[Fence]:
        """Return the stops that a vehicle is or was to visit, each with the time in which presence counts.

        Loads that were over before `since` (seconds since 1970) are left out.
        """
        entries = (self._loads[load_id] for load_id in sorted(self._by_vehicle.get(vehicle_id, ())))
        wanted = (entry for entry in entries if not entry.over or entry.newest >= since)
        return [fence for entry in wanted for fence in self._of(entry, vehicle_id)]

    def vehicles(self) -> list[str]:
        """Return the vehicles that have or had a load, sorted."""
        return sorted(self._by_vehicle)

    def _of(self, entry: _Entry, vehicle_id: str) -> Iterable[Fence]:
        for turn in entry.turns:
            if turn.vehicle_id != vehicle_id:
                continue
            for planned in entry.stops.values():
                stop = planned.stop
                start = max(turn.start, entry.dispatched, planned.since)
                end = min(turn.end, planned.until)
                if start < end:
                    yield Fence(
                        load_id=entry.load_id,
                        stop_id=stop.stop_id,
                        epoch=turn.epoch,
                        vehicle_id=vehicle_id,
                        pickup=stop.kind == STOP_KIND_PICKUP,
                        latitude=stop.location.point.latitude,
                        longitude=stop.location.point.longitude,
                        radius_m=float(stop.location.geofence_radius_m or self._radius_m),
                        start=start,
                        end=end,
                    )

    def _forget_surplus(self) -> None:
        surplus = len(self._loads) - self._most
        if surplus <= 0:
            return
        oldest_over = [entry.load_id for entry in self._loads.values() if entry.over][:surplus]
        for load_id in oldest_over:
            for turn in self._loads.pop(load_id).turns:
                rides = self._by_vehicle.get(turn.vehicle_id, set())
                rides.discard(load_id)
                if not rides:
                    self._by_vehicle.pop(turn.vehicle_id, None)


def _take(entry: _Entry, event: LoadEvent, at: float) -> bool:
    """Apply one event to a load; return whether it may change what vehicles have to visit."""
    change = _CHANGES.get(event.WhichOneof("body") or "")
    if change is None:
        return False
    change(entry, event, at)
    return True


def _begin(entry: _Entry, load: Load) -> None:
    entry.stops = {stop.stop_id: _PlannedStop(stop) for stop in load.stops if _fenced(stop)}
    entry.open_stops = {stop.stop_id for stop in load.stops}
    entry.turns = []
    for assignment in load.assignments:
        _assign(entry, assignment)


def _replan(entry: _Entry, stops: Sequence[Stop], at: float) -> None:
    wanted = {stop.stop_id: stop for stop in stops if _fenced(stop)}
    entry.open_stops = {stop.stop_id for stop in stops if stop.state not in _ENDED}
    for stop_id, planned in entry.stops.items():
        if stop_id in wanted:
            planned.stop, planned.until = wanted[stop_id], _OPEN
        else:
            planned.until = min(planned.until, at)
    for stop_id, stop in wanted.items():
        entry.stops.setdefault(stop_id, _PlannedStop(stop, since=at))


def _assign(entry: _Entry, assignment: Assignment) -> None:
    start = assignment.start_time.ToNanoseconds() / 1e9
    end = assignment.end_time.ToNanoseconds() / 1e9 if assignment.HasField("end_time") else _OPEN
    entry.turns = [turn for turn in entry.turns if turn.epoch != assignment.epoch]
    _end_turn(entry, start)
    entry.turns.append(_Turn(assignment.vehicle_id, assignment.epoch, start, end))


def _end_turn(entry: _Entry, at: float) -> None:
    if entry.turns:
        entry.turns[-1].end = min(entry.turns[-1].end, at)


def _drop(entry: _Entry, stop_id: str, at: float) -> None:
    entry.open_stops.discard(stop_id)
    planned = entry.stops.get(stop_id)
    if planned is not None:
        planned.until = min(planned.until, at)


def _ended(entry: _Entry, stop_id: str) -> None:
    entry.open_stops.discard(stop_id)


def _fenced(stop: Stop) -> bool:
    return stop.kind in {STOP_KIND_PICKUP, STOP_KIND_DELIVERY} and stop.location.HasField("point")


def _seconds(event: LoadEvent) -> float:
    return event.occur_time.ToNanoseconds() / 1e9


def _reassignment_failed(entry: _Entry) -> None:
    del entry.turns[-1:]


def _dispatched(entry: _Entry, at: float) -> None:
    entry.dispatched = min(entry.dispatched, at)


def _cancelled(entry: _Entry, at: float) -> None:
    _end_turn(entry, at)
    entry.cancelled = True


_CHANGES: Mapping[str, Callable[[_Entry, LoadEvent, float], None]] = {
    "drafted": lambda entry, event, _at: _begin(entry, event.drafted.load),
    "planned": lambda entry, event, _at: _begin(entry, event.planned.load),
    "replanned": lambda entry, event, at: _replan(entry, event.replanned.stops, at),
    "assigned": lambda entry, event, _at: _assign(entry, event.assigned.assignment),
    "reassigned": lambda entry, event, _at: _assign(entry, event.reassigned.assignment),
    "unassigned": lambda entry, _event, at: _end_turn(entry, at),
    "reassignment_failed": lambda entry, _event, _at: _reassignment_failed(entry),
    "dispatched": lambda entry, _event, at: _dispatched(entry, at),
    "stop_cancelled": lambda entry, event, at: _drop(entry, event.stop_cancelled.stop_id, at),
    "stop_skipped": lambda entry, event, at: _drop(entry, event.stop_skipped.stop_id, at),
    "stop_departed": lambda entry, event, _at: _ended(entry, event.stop_departed.stop_id),
    "stop_completed": lambda entry, event, _at: _ended(entry, event.stop_completed.stop_id),
    "stop_failed": lambda entry, event, _at: _ended(entry, event.stop_failed.stop_id),
    "cancelled": lambda entry, _event, at: _cancelled(entry, at),
}
