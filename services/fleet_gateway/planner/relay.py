"""Lays the open stops of a load anew behind its locked ones (domain reference 3.2, re-optimisation). Pure.

Goods whose pickup is locked are on board; goods whose pickup is open are picked up again in the new plan. A stop keeps
its id, because late events refer to it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from gladhand.errors import FailedPrecondition, InvalidArgument
from gladhand.ids import derive
from logistics.dispatch.v1 import SkipReason, UnassignedOrder
from logistics.load.v1 import Load, Stop, StopTask
from logistics.load.v1.load_pb2 import STOP_KIND_PICKUP
from services.fleet_gateway.planner.demand import volume_of, weight_of
from services.fleet_gateway.planner.draft import Draft, Horizon, ServiceTimes, point_of, unassigned_of
from services.fleet_gateway.planner.layout import Cargo, cargo_of, figures, lay
from services.fleet_gateway.planner.port import (
    PlannedVisit,
    Point,
    Problem,
    Shipment,
    Solution,
    Task,
    Truck,
    Visit,
)

_ABOARD: Final = ""
_ABOARD_KEY: Final = f"{_ABOARD}>"
"""How the keys of shipments begin whose goods are on board."""


@dataclass(frozen=True, slots=True)
class OpenPart:
    """What of a load is still to be laid out."""

    locked: tuple[Stop, ...]
    shipments: tuple[Shipment, ...]
    cargo: Mapping[tuple[str, Task], Cargo]


def open_part(
    load: Load, locked_ids: Sequence[str], dropped: Collection[str], horizon: Horizon, times: ServiceTimes
) -> OpenPart:
    """Return the locked stops and the goods of the others, without the dropped orders.

    Raises InvalidArgument where the locked stops are not the first of the plan.
    """
    count = len(locked_ids)
    locked, rest = tuple(load.stops[:count]), load.stops[count:]
    if {stop.stop_id for stop in locked} != set(locked_ids):
        raise InvalidArgument(
            "locked stops must be the first of the plan",
            field="locked_stop_ids",
            remedy=f"lock every stop before the last locked one; the plan begins {_ids(load.stops[: count + 1])}",
        )
    shipments: list[Shipment] = []
    cargo: dict[tuple[str, Task], Cargo] = {}
    for key, pickup, delivery, lines in _flows(rest, dropped):
        tasks = tuple(task for task in delivery.tasks if (task.order_id, task.line_id) in lines)
        orders = len({order_id for order_id, _ in lines})
        cargo[key, Task.DELIVERY] = _cargo(delivery, tasks)
        if pickup is not None:
            loaded = tuple(task for task in pickup.tasks if (task.order_id, task.line_id) in lines)
            cargo[key, Task.PICKUP] = _cargo(pickup, loaded)
        shipments.append(
            Shipment(
                key=key,
                pickup=None if pickup is None else _visit(pickup, horizon, times, orders),
                delivery=_visit(delivery, horizon, times, orders),
                amount=_amount(tasks),
            )
        )
    return OpenPart(locked, tuple(shipments), cargo)


def _ids(stops: Iterable[Stop]) -> str:
    return ", ".join(stop.stop_id for stop in stops)


def _flows(
    rest: Sequence[Stop], dropped: Collection[str]
) -> Iterable[tuple[str, Stop | None, Stop, frozenset[tuple[str, str]]]]:
    """Yield (key, pickup or None for goods on board, other stop, its lines) for every pair of open stops."""
    pickups: dict[tuple[str, str], Stop] = {}
    for stop in rest:
        if stop.kind == STOP_KIND_PICKUP:
            pickups.update({(task.order_id, task.line_id): stop for task in stop.tasks})
            continue
        lines = [(task.order_id, task.line_id) for task in stop.tasks if task.order_id not in dropped]
        if not lines and stop.tasks:
            continue
        sources: dict[str, set[tuple[str, str]]] = {}
        for line in lines:
            source = pickups[line].stop_id if line in pickups else _ABOARD
            sources.setdefault(source, set()).add(line)
        for source, some in (sources or {_ABOARD: set[tuple[str, str]]()}).items():
            pickup = next((s for s in rest if s.stop_id == source), None) if source else None
            yield f"{source}>{stop.stop_id}", pickup, stop, frozenset(some)


def _cargo(stop: Stop, tasks: tuple[StopTask, ...]) -> Cargo:
    window = stop.window if stop.HasField("window") else None
    return Cargo(stop.kind, stop.location, window, tasks, stop.instructions, stop)


def _visit(stop: Stop, horizon: Horizon, times: ServiceTimes, orders: int) -> Visit:
    point = point_of(stop.location)
    if point is None:
        raise FailedPrecondition(
            f"stop {stop.stop_id} has no coordinates and cannot be planned anew",
            reason="NOT_PLANNABLE",
            metadata={"skip": "LOCATION_UNKNOWN", "stop_id": stop.stop_id},
        )
    earliest, latest, soft = horizon.bounds(stop.window if stop.HasField("window") else None)
    setup = times.pickup_setup_s if stop.kind == STOP_KIND_PICKUP else times.delivery_setup_s
    return Visit(point, earliest, latest, setup, times.per_order_s * orders, soft)


def _amount(tasks: Iterable[StopTask]) -> tuple[int, int]:
    grams = cubic_centimetres = 0
    for task in tasks:
        grams += weight_of(task.weight) if task.HasField("weight") else 0
        cubic_centimetres += volume_of(task.volume) if task.HasField("volume") else 0
    return grams, cubic_centimetres


def problem_of(part: OpenPart, added: Draft, truck: Truck) -> Problem:
    """Return the problem of one truck that serves the open part and the added lots, for which it may load again."""
    return Problem((truck,), (*part.shipments, *added.problem.shipments), reload=True)


def refuse_unserved(solution: Solution, part: OpenPart, added: Draft, *, may_leave_out: bool) -> list[UnassignedOrder]:
    """Return what the new plan leaves out, one entry per order and reason, in the order of the old plan.

    Raises FailedPrecondition NOT_PLANNABLE where that would leave goods on board undelivered, and for anything left
    over unless `may_leave_out`; the old plan then stays in force.
    """
    skips = {skip.shipment: skip.reason for skip in solution.skipped}
    aboard = [(key, reason.value) for key, reason in skips.items() if key.startswith(_ABOARD_KEY)]
    lost = aboard or [(key, reason.value) for key, reason in skips.items()]
    lost += [(lot.key, skip.value) for lot, skip, _ in added.refused]
    if aboard or (lost and not may_leave_out):
        names = ", ".join(f"{key} ({reason})" for key, reason in lost[:5])
        raise FailedPrecondition(
            f"the new plan cannot serve {names}; the old plan stays in force",
            reason="NOT_PLANNABLE",
            metadata={"skip": lost[0][1], "unserved": str(len(lost))},
        )
    told: dict[tuple[str, str], UnassignedOrder] = {}
    for shipment in part.shipments:
        reason = skips.get(shipment.key)
        if reason is None:
            continue
        for task in part.cargo[shipment.key, Task.DELIVERY].tasks:
            entry = told.setdefault(
                (task.order_id, reason.value),
                UnassignedOrder(
                    order_id=task.order_id,
                    reason=SkipReason.Value(f"SKIP_REASON_{reason.value}"),
                    message=f"the vehicle cannot serve it any more: {reason.value}",
                ),
            )
            entry.line_ids.append(task.line_id)
    of_added = {key: reason for key, reason in skips.items() if key in added.lots}
    return [*told.values(), *unassigned_of(added, of_added)]


def relaid(
    load: Load, part: OpenPart, added: Draft, solution: Solution, horizon: Horizon, request_id: str, driven_m: int
) -> Load:
    """Return the load under its new plan; locked stops are as they were, `plan_version` is one higher.

    `driven_m` are the metres of the locked part. Raises FailedPrecondition where nothing would be left to do.
    """
    cargo = dict(part.cargo)
    cargo |= {(key, task): what for key, lot in added.lots.items() for task, what in cargo_of(lot).items()}
    visits: tuple[PlannedVisit, ...] = solution.routes[0].visits if solution.routes else ()

    def new_id(sequence: int) -> str:
        return derive(request_id, "stop", load.load_id, str(sequence))

    stops = [*part.locked, *lay(visits, cargo, horizon, new_id, len(part.locked) + 1)]
    if not stops:
        raise FailedPrecondition(
            "the new plan has no stops; cancel the load instead", reason="NOT_PLANNABLE", metadata={"skip": "NO_STOPS"}
        )
    end = horizon.at(solution.routes[0].end_s) if solution.routes else horizon.start
    begin = stops[0].planned_arrival_time.ToDatetime(tzinfo=horizon.start.tzinfo)
    rest_m = solution.routes[0].distance_m if solution.routes else 0
    new = Load()
    new.CopyFrom(load)
    new.ClearField("stops")
    new.stops.extend(stops)
    new.plan_version = load.plan_version + 1
    seconds = int((end - begin).total_seconds())
    new.figures.CopyFrom(figures(driven_m + rest_m, seconds, solution.planner, solution.matrix))
    return new


def points_of(stops: Iterable[Stop]) -> list[Point]:
    """Return the places of stops in driving order, without those that have no coordinates."""
    return [point for stop in stops if (point := point_of(stop.location)) is not None]
