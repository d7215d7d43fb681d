"""Routes as loads of the contract: visits side by side at one place become one stop. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from gladhand.ids import derive
from logistics.load.v1 import Load, PlanFigures, Stop, StopTask
from logistics.load.v1.load_pb2 import (
    LOAD_STATE_PLANNED,
    STOP_KIND_DELIVERY,
    STOP_KIND_PICKUP,
    STOP_STATE_PLANNED,
    StopKind,
)
from logistics.order.v1 import OrderLine
from logistics.type.v1 import Location, TimeWindow
from services.fleet_gateway.planner.draft import Draft, Horizon, Lot, moment, point_of
from services.fleet_gateway.planner.port import PlannedVisit, Route, Solution, Task

_MAX_INSTRUCTIONS: Final = 2000


@dataclass(frozen=True, slots=True)
class Cargo:
    """What one visit does, in words of the contract."""

    kind: StopKind.ValueType
    location: Location
    window: TimeWindow | None
    tasks: tuple[StopTask, ...]
    instructions: str = ""
    stop: Stop | None = None
    """The stop of an older plan that this visit belongs to; None for new goods."""

    def joins(self, other: Cargo) -> bool:
        """Whether both visits, one right after the other, are one stop."""
        if self.kind != other.kind:
            return False
        if self.stop is not None and other.stop is not None:
            return self.stop.stop_id == other.stop.stop_id
        return point_of(self.location) == point_of(other.location) and self.location.name == other.location.name


def stamp(at: datetime) -> Timestamp:
    """Return a moment as a protobuf timestamp."""
    value = Timestamp()
    value.FromDatetime(at)
    return value


def task_of(order_id: str, line: OrderLine) -> StopTask:
    """Return the task that loads or unloads one whole order line."""
    return StopTask(
        order_id=order_id,
        line_id=line.line_id,
        expected=line.quantities.ordered,
        sku=line.sku,
        weight=line.weight if line.HasField("weight") else None,
        volume=line.volume if line.HasField("volume") else None,
    )


def cargo_of(lot: Lot) -> dict[Task, Cargo]:
    """Return both visits of a lot."""
    tasks = tuple(task_of(lot.order.order_id, line) for line in lot.lines)
    return {
        Task.PICKUP: Cargo(STOP_KIND_PICKUP, lot.order.ship_from, lot.pickup_window, tasks),
        Task.DELIVERY: Cargo(STOP_KIND_DELIVERY, lot.ship_to, lot.delivery_window, tasks, lot.order.instructions),
    }


def lay(
    visits: Iterable[PlannedVisit],
    cargo: Mapping[tuple[str, Task], Cargo],
    horizon: Horizon,
    new_id: Callable[[int], str],
    first: int = 1,
) -> list[Stop]:
    """Return the stops of a route, numbered from `first`.

    A stop of an older plan keeps its id where it is first visited; every other stop gets `new_id(sequence)`.
    """
    groups: list[list[tuple[PlannedVisit, Cargo]]] = []
    for visit in visits:
        what = cargo[visit.shipment, visit.task]
        if groups and groups[-1][-1][1].joins(what):
            groups[-1].append((visit, what))
        else:
            groups.append([(visit, what)])
    stops: list[Stop] = []
    used: set[str] = set()
    for sequence, group in enumerate(groups, first):
        older = next((what.stop for _, what in group if what.stop is not None and what.stop.stop_id not in used), None)
        stop_id = older.stop_id if older is not None else new_id(sequence)
        used.add(stop_id)
        stops.append(_stop(stop_id, sequence, group, older, horizon))
    return stops


def _stop(
    stop_id: str, sequence: int, group: list[tuple[PlannedVisit, Cargo]], older: Stop | None, horizon: Horizon
) -> Stop:
    cargoes = [what for _, what in group]
    first, last = group[0][0], group[-1][0]
    stop = Stop()
    if older is not None:
        stop.CopyFrom(older)
        stop.ClearField("tasks")
        stop.ClearField("window")
    stop.stop_id = stop_id
    stop.sequence = sequence
    stop.kind = cargoes[0].kind
    stop.location.CopyFrom(cargoes[0].location)
    window = _common([what.window for what in cargoes])
    if window is not None:
        stop.window.CopyFrom(window)
    stop.tasks.extend(task for what in cargoes for task in what.tasks)
    stop.planned_arrival_time.CopyFrom(stamp(horizon.at(first.arrival_s)))
    stop.planned_departure_time.CopyFrom(stamp(horizon.at(last.end_s)))
    stop.service_duration.CopyFrom(Duration(seconds=last.end_s - first.start_s))
    stop.state = STOP_STATE_PLANNED
    stop.pod_required = stop.kind == STOP_KIND_DELIVERY
    words = dict.fromkeys(what.instructions for what in cargoes if what.instructions)
    stop.instructions = "\n".join(words)[:_MAX_INSTRUCTIONS]
    return stop


def _common(windows: list[TimeWindow | None]) -> TimeWindow | None:
    """Return what all windows share; the first window where they share nothing; None where none is given."""
    given = [window for window in windows if window is not None]
    if not given:
        return None
    shared = TimeWindow()
    shared.CopyFrom(given[0])
    starts = [window.start_time for window in given if window.HasField("start_time")]
    ends = [window.end_time for window in given if window.HasField("end_time")]
    if starts:
        shared.start_time.CopyFrom(max(starts, key=moment))
    if ends:
        shared.end_time.CopyFrom(min(ends, key=moment))
    if starts and ends and moment(shared.start_time) >= moment(shared.end_time):
        return given[0]
    shared.hard = any(window.hard for window in given)
    return shared


def figures(distance_m: int, seconds: int, planner: str, matrix: str) -> PlanFigures:
    """Return the figures of a plan, names cut to what the contract holds."""
    return PlanFigures(
        distance_m=distance_m, duration=Duration(seconds=max(0, seconds)), planner=planner[:40], matrix=matrix[:40]
    )


def loads_of(
    solution: Solution, draft: Draft, horizon: Horizon, *, request_id: str, region: str, wave_id: str
) -> list[tuple[Load, Route]]:
    """Return one load for each route. The same request gives the same ids."""
    cargo = {(key, task): what for key, lot in draft.lots.items() for task, what in cargo_of(lot).items()}
    loads: list[tuple[Load, Route]] = []
    for route in solution.routes:
        vehicle_id = route.truck

        def new_id(sequence: int, vehicle_id: str = vehicle_id) -> str:
            return derive(request_id, "stop", vehicle_id, str(sequence))

        load = Load(
            load_id=derive(request_id, "load", vehicle_id),
            region=region,
            stops=lay(route.visits, cargo, horizon, new_id),
            plan_version=1,
            figures=figures(route.distance_m, route.end_s - route.start_s, solution.planner, solution.matrix),
            planned_vehicle_id=vehicle_id,
            state=LOAD_STATE_PLANNED,
            wave_id=wave_id,
        )
        loads.append((load, route))
    return loads


def features_of(route: Route, lots: Mapping[str, Lot]) -> frozenset[str]:
    """Return every feature that the goods of a route need."""
    return frozenset(name for visit in route.visits for name in lots[visit.shipment].features)
